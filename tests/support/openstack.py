"""A world on the devcloud: real services, real guests, and a look at all that it holds."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from executors.cloud.openstack import OpenStackCloud, Setup
from executors.guest.client import SealedGuests
from executors.keys import load as load_key
from executors.storage.swift import Container, Swift
from guest_agent.contract.report import Report
from planners import observed as seen
from planners.observed import Server
from planners.steps import SecretSource
from reconciler.journal.journal import Journal
from specs.desired import Desired
from tests.devcloud import bootstrap
from tests.devcloud.cloud import power_cut
from tests.devcloud.layout import Layout
from tests.support.worlds import World, desire


@dataclass(kw_only=True)
class OpenStackWorld(World):
    """``project`` is gitrove's, of which several share one project of the cloud."""

    cloud: OpenStackCloud
    folder: Path
    layout: Layout
    project: str

    @classmethod
    def at(cls, folder: Path, layout: Layout, project: str) -> OpenStackWorld:
        key = load_key(folder / "control.key", folder)
        return cls(
            cloud=OpenStackCloud(Setup("devcloud-tests", "databases")),
            guests=SealedGuests(key),
            journal=Journal(f"sqlite:///{folder}/journal.db"),
            key=key,
            projects=(project,),
            folder=folder,
            layout=layout,
            project=project,
        )

    def again(self) -> OpenStackWorld:
        return self.at(self.folder, self.layout, self.project)

    @property
    def locks(self) -> Path:
        return self.folder / "locks"

    @cached_property
    def storage(self) -> Swift:  # type: ignore[override]
        return Swift(self.container("devcloud-tests"))

    def container(self, cloud: str) -> Container:
        """A Swift container of this world's own, reached by *cloud* of clouds.yaml."""
        name = f"backups-{self.project}"
        return Container(cloud, None, name, self.key.url_key(name))

    def desire(self, text: str) -> Desired:
        return desire(text, self.project)

    def server(self, name: str) -> Server:
        return next(s for s in self._servers() if s.name == name)

    def report(self, name: str) -> Report:
        found = self.observe().guests[self.server(name).metadata[seen.ID]]
        assert found is not None
        return found

    def address(self, name: str) -> str:
        server = self.server(name)
        return next(p.address for p in self.cloud.observe().ports if p.id == server.port)

    def password(self, name: str, login: str) -> str:
        instance = self.server(name).metadata[seen.ID]
        return self.key.password(instance, login, SecretSource())

    def cut_power(self, name: str) -> None:
        power_cut(self.server(name).id, self.layout)

    def held(self) -> dict[str, int]:
        """How many pieces of each kind the cloud's project holds, whoever made them."""
        with bootstrap.connected(self.layout, "devcloud-tests") as connection:
            api: Any = connection
            listings = {
                "servers": api.compute.servers(),
                "volumes": api.block_storage.volumes(),
                "ports": api.network.ports(),
                "groups": api.network.security_groups(),
                "floating addresses": api.network.ips(),
                "server groups": api.compute.server_groups(),
            }
            return {kind: len(list(listing)) for kind, listing in listings.items()}

    def remove(self) -> None:
        """Delete whatever of this world is left."""
        state = self.cloud.observe()
        for server in self._servers():
            self.cloud.delete_server(server.id)
        for volume in state.volumes:
            if volume.metadata[seen.PROJECT] == self.project:
                self.cloud.delete_volume(volume.id)
        for floating in state.floating:
            if floating.metadata.get(seen.PROJECT) == self.project:
                self.cloud.release_floating(floating.id)
        for port in state.ports:
            if port.metadata.get(seen.PROJECT) == self.project:
                self.cloud.delete_port(port.id)
        for group in state.groups:
            if group.metadata[seen.PROJECT] == self.project:
                self.cloud.delete_group(group.id)
        for name in self.storage.names(""):
            self.storage.delete(name)
        self.journal.close()

    def _servers(self) -> list[Server]:
        servers = self.cloud.observe().servers
        return [s for s in servers if s.metadata[seen.PROJECT] == self.project]


ONE_OF_EACH = {"servers": 1, "volumes": 1, "ports": 1}


def more(held: dict[str, int], before: dict[str, int]) -> dict[str, int]:
    """What there is more of than before."""
    return {kind: held[kind] - before[kind] for kind in held if held[kind] != before[kind]}


def clouds_with(name: str, changes: dict[str, Any], layout: Layout, folder: Path) -> Path:
    """A clouds.yaml in *folder* that has the tests' own cloud once more, with *changes*."""
    clouds = json.loads(layout.clouds.read_text())["clouds"]
    clouds[name] = clouds["devcloud-tests"] | changes
    path = folder / "clouds.yaml"
    path.write_text(json.dumps({"clouds": clouds}))
    return path


@contextmanager
def own_network(layout: Layout, name: str, cidr: str) -> Iterator[None]:
    """A network of the tests' project: only its owner may choose addresses in it.

    A router leads from it to the external network.
    """
    with bootstrap.connected(layout, "devcloud-tests") as connection:
        network: Any = connection.network
        made = network.create_network(name=name)
        subnet = network.create_subnet(
            network_id=made.id, ip_version=4, cidr=cidr, is_dhcp_enabled=False
        )
        outside = network.find_network(bootstrap.EXTERNAL)
        router = network.create_router(name=name, external_gateway_info={"network_id": outside.id})
        network.add_interface_to_router(router, subnet=subnet.id)
        yield
        network.remove_interface_from_router(router, subnet=subnet.id)
        network.delete_router(router)
        network.delete_network(made.id)
