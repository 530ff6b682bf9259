"""An OpenStack cloud, by openstacksdk: Nova, Neutron, Cinder and Glance.

Pieces are found by what they carry: servers and volumes by metadata, ports by
tags. Observing takes one paged list for each kind of piece, at the same time.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, TypeVar

from openstack import exceptions

from executors.cloud import openstack_pieces as pieces
from executors.cloud.interface import Boot, Disk, Endpoint, Identity, Machine, endpoints
from executors.cloud.openstack_network import Network
from executors.cloud.user_data import user_data
from executors.errors import Failed
from executors.openstack_api import connected, errors, named
from planners import observed as seen
from planners.observed import CloudState, Flavor
from planners.steps import Pieces

_LISTINGS = 10
_POLL_SECONDS = 0.5
_DEADLINE_SECONDS = 600.0
_EXTEND_IN_USE = "3.42"
"""The version of Cinder's API that extends a volume which is attached."""
_REBUILD_VOLUME = "2.93"
"""The version of Nova's API that rebuilds a server which boots from a volume (Zed)."""
_T = TypeVar("_T")


@dataclass(frozen=True)
class Setup:
    """``cloud`` as clouds.yaml names it; ``network`` by name; groups by name."""

    cloud: str
    network: str
    region: str | None = None
    security_groups: list[str] = field(default_factory=list)


class OpenStackCloud:
    """The cloud; see ``executors.cloud.interface``."""

    # A machine boots from its image and runs cloud-init before its guest answers.
    boot_seconds = 600.0

    def __init__(self, setup: Setup) -> None:
        self._setup = setup
        self._endpoints: dict[str, Endpoint] = {}
        self._placing = threading.Lock()

    @cached_property
    def _api(self) -> Any:
        services = ("compute", "block_storage", "network", "image")
        return connected(self._setup.cloud, self._setup.region, services)

    @cached_property
    def _network(self) -> Network:
        return Network(self._api.network, self._setup.network, self._setup.security_groups)

    # -- reading --------------------------------------------------------------

    def observe(self) -> CloudState:
        api = self._api
        with ThreadPoolExecutor(_LISTINGS, "observe") as pool:
            servers = pool.submit(_listed, api.compute.servers)
            volumes = pool.submit(_listed, api.block_storage.volumes)
            told = pool.submit(_listed, api.network.ports, tags=pieces.TAG)
            groups = pool.submit(_listed, api.network.security_groups, tags=pieces.TAG)
            floating = pool.submit(_listed, api.network.ips, tags=pieces.TAG)
            outside = pool.submit(_listed, api.network.networks, is_router_external=True)
            flavors = pool.submit(_listed, api.compute.flavors)
            types = pool.submit(_listed, api.block_storage.types)
            zones = pool.submit(_listed, api.compute.availability_zones)
            listed = pool.submit(_listed, api.image.images)
            ports = [pieces.port(port) for port in told.result()]
            of_server = {port.server: port.id for port in ports if port.server}
            images = {image.id: image.name for image in listed.result() if image.name}
            roots = {v.id: pieces.image_of(v) for v in volumes.result() if v.is_bootable}
            networks = {network.id: network.name for network in outside.result()}
            state = CloudState(
                servers=[
                    pieces.server(server, of_server, images, roots)
                    for server in servers.result()
                    if seen.ID in server.metadata
                ],
                volumes=[pieces.volume(v) for v in volumes.result() if seen.ID in v.metadata],
                ports=ports,
                groups=[pieces.group(group, told.result()) for group in groups.result()],
                floating=[pieces.floating(each, networks) for each in floating.result()],
                flavors=[
                    Flavor(name=f.name, vcpus=f.vcpus, ram=f.ram, disk=f.disk)
                    for f in flavors.result()
                ],
                volume_types=sorted(kind.name for kind in types.result()),
                zones=sorted(z.name for z in zones.result() if z.state["available"]),
                images={i.name: pieces.image_digest(i) for i in listed.result() if i.name},
                region=self._setup.region or "",
                external_networks=sorted(networks.values()),
            )
        self._endpoints = {e.instance: e for e in endpoints(state.servers, state.ports)}
        return state

    def endpoint(self, instance: str) -> Endpoint | None:
        if instance not in self._endpoints:
            self.observe()
        return self._endpoints.get(instance)

    # -- ports and volumes ------------------------------------------------------

    def allow_access(self, identity: Identity, database: int, cidrs: Sequence[str]) -> None:
        self._network.allow_access(identity, database, cidrs)

    def delete_group(self, group: str) -> None:
        self._network.delete_group(group)

    def assign_floating(self, identity: Identity, network: str) -> None:
        self._network.assign_floating(identity, network)

    def release_floating(self, floating: str) -> None:
        self._network.release_floating(floating)

    def create_port(self, identity: Identity, address: str = "") -> None:
        self._network.create_port(identity, address)

    def delete_port(self, port: str) -> None:
        self._network.delete_port(port)

    def create_volume(self, identity: Identity, disk: Disk) -> None:
        with errors("create the volume"):
            name = pieces.volume_name(pieces.name(identity), disk.kind)
            volume = self._volume_of(identity.id, name)
            if volume is None:
                options = {"volume_type": disk.type} if disk.type else {}
                if disk.zone in self._volume_zones:
                    options["availability_zone"] = disk.zone
                if disk.image:
                    options["image_id"] = self._image(disk.image).id
                volume = self._api.block_storage.create_volume(
                    name=name,
                    size=disk.size,
                    metadata=identity.metadata() | disk.metadata(),
                    **options,
                )
            self._wait_for_volume(volume.id, "available", "in-use")

    def extend_volume(self, volume: str, size: int) -> None:
        with errors(f"extend the volume {volume}"):
            api = self._api.block_storage
            there = api.get_volume(volume)
            if there.size < size:
                # The SDK's own call does not ask for the version that extends in use.
                api.post(
                    f"/volumes/{volume}/action",
                    json={"os-extend": {"new_size": size}},
                    microversion=_EXTEND_IN_USE,
                ).raise_for_status()
            self._wait(
                lambda: api.get_volume(volume),
                lambda v: v.size >= size and v.status in ("available", "in-use"),
                _volume_fault,
            )

    def delete_volume(self, volume: str) -> None:
        with errors(f"delete the volume {volume}"):
            api = self._api.block_storage
            there = _or_none(lambda: api.get_volume(volume))
            if there is None:
                return
            if there.attachments:
                server = there.attachments[0]["server_id"]
                raise Failed(f"the volume {volume} is attached to the server {server}")
            api.delete_volume(volume)
            self._wait(
                lambda: _or_none(lambda: api.get_volume(volume)),
                lambda v: v is None,
                lambda v: v.status == "error_deleting" and f"the volume {volume} is {v.status}",
            )

    # -- servers ----------------------------------------------------------------

    def adopt(self, identity: Identity, held: Pieces, metadata: Mapping[str, str]) -> None:
        with errors(f"mark {identity.name}"):
            told = {**identity.metadata(), **metadata}
            # The server comes last: what has no server is not taken for a whole instance.
            self._network.mark(identity, held)
            name = pieces.name(identity)
            for volume in held.volumes:
                # By their names, too, they are found when the server is made anew.
                named_so = pieces.volume_name(name, self._kind_of(volume))
                self._api.block_storage.update_volume(volume, name=named_so)
                self._api.block_storage.set_volume_metadata(volume, **told)
            self._api.compute.update_server(held.server, name=name)
            self._api.compute.set_server_metadata(held.server, **told)

    def create_server(self, identity: Identity, machine: Machine, boot: Boot) -> None:
        with errors("create the server"):
            server = self._server_of(identity.id, pieces.name(identity))
            if server is None:
                # A server group must not end between being found and being joined.
                with self._placing if machine.group else nullcontext():
                    server = self._begin_server(identity, machine, boot)
            try:
                server = self._wait_until_active(server.id)
            except Failed:
                self._discard_if_never_on(server.id)
                raise
            address = pieces.address(self._network.port_of(identity.id))
        self._endpoints[identity.id] = Endpoint(identity.id, address, server.metadata[seen.SALT])

    def _begin_server(self, identity: Identity, machine: Machine, boot: Boot) -> Any:
        compute = self._api.compute
        port, volumes = self._around(identity.id, pieces.name(identity), machine.kinds)
        image = self._image(machine.image)
        options: dict[str, Any] = {}
        if machine.zone:
            options["availability_zone"] = machine.zone
        if machine.group:
            options["scheduler_hints"] = {"group": self._server_group(identity, machine)}
        return compute.create_server(
            name=pieces.name(identity),
            flavor_id=named(compute.find_flavor, "flavor", machine.flavor).id,
            image_id="" if seen.ROOT in volumes else image.id,
            networks=[{"port": port.id}],
            config_drive=True,
            user_data=user_data(identity.id, pieces.address(port), volumes, boot),
            metadata=identity.metadata() | machine.metadata() | boot.metadata(),
            block_device_mapping=_disks(image.id, volumes),
            **options,
        )

    def _image(self, name: str) -> Any:
        return named(self._api.image.find_image, "image", name)

    def rebuild_server(self, server: str, image: str, boot: Boot) -> None:
        with errors(f"rebuild the server {server}"):
            compute = self._api.compute
            wanted = self._image(image).id
            there = compute.get_server(server)
            if self._boots_from(there) != wanted:
                # The guest's key may be another than the one of its first boot.
                instance = there.metadata[seen.ID]
                attached = [each["id"] for each in there.attached_volumes]
                kinds = [self._kind_of(volume) for volume in attached]
                port, volumes = self._around(instance, there.name, kinds)
                told = user_data(instance, pieces.address(port), volumes, boot)
                self._begin_rebuild(server, wanted, told)
            self._wait(
                lambda: compute.get_server(server),
                lambda s: s.status in ("ACTIVE", "SHUTOFF") and self._boots_from(s) == wanted,
                _server_fault,
            )
            self.start_server(server)

    def _begin_rebuild(self, server: str, image: str, told: str) -> None:
        # The SDK's own call does not ask for the version that writes a root disk on a volume anew.
        body = {"rebuild": {"imageRef": image, "user_data": told}}
        self._api.compute.post(
            f"/servers/{server}/action", json=body, microversion=_REBUILD_VOLUME
        ).raise_for_status()

    def _boots_from(self, server: Any) -> str:
        """The id of the image that its root disk was made from."""
        if server.image and server.image.id:
            return str(server.image.id)
        held = [self._api.block_storage.get_volume(v["id"]) for v in server.attached_volumes]
        return next((pieces.image_of(v) for v in held if v.is_bootable), "")

    def start_server(self, server: str) -> None:
        with errors(f"start the server {server}"):
            if self._api.compute.get_server(server).status == "SHUTOFF":
                self._api.compute.start_server(server)
            self._wait_until_active(server)

    def resize_server(self, server: str, flavor: str) -> None:
        with errors(f"resize the server {server}"):
            compute = self._api.compute
            wanted = named(compute.find_flavor, "flavor", flavor)
            there = compute.get_server(server)
            if there.status == "VERIFY_RESIZE" and pieces.flavor(there) != flavor:
                self.revert_resize(server)
                there = compute.get_server(server)
            if pieces.flavor(there) != flavor:
                compute.resize_server(server, wanted.id)
            self._wait(
                lambda: compute.get_server(server),
                lambda s: pieces.flavor(s) == flavor and s.status in ("VERIFY_RESIZE", "ACTIVE"),
                lambda s: _server_fault(s) or _not_resized(s, flavor),
            )

    def confirm_resize(self, server: str) -> None:
        with errors(f"confirm the resize of the server {server}"):
            if self._api.compute.get_server(server).status == "VERIFY_RESIZE":
                self._api.compute.confirm_server_resize(server)
            self._wait_until_active(server)

    def revert_resize(self, server: str) -> None:
        with errors(f"revert the resize of the server {server}"):
            if self._api.compute.get_server(server).status == "VERIFY_RESIZE":
                self._api.compute.revert_server_resize(server)
            self._wait_until_active(server)

    def set_metadata(self, server: str, key: str, value: str) -> None:
        with errors(f"mark the server {server}"):
            if value:
                self._api.compute.set_server_metadata(server, **{key: value})
            else:
                self._api.compute.delete_server_metadata(server, [key])
            if key == seen.SALT:
                instance = self._api.compute.get_server(server).metadata[seen.ID]
                known = self._endpoints.pop(instance, None)
                if known is not None:
                    self._endpoints[instance] = replace(known, salt=value)

    def delete_server(self, server: str) -> None:
        with errors(f"delete the server {server}"):
            compute = self._api.compute
            there = _or_none(lambda: compute.get_server(server))
            if there is None:
                return
            if there.status == "ACTIVE":
                # To delete a running server cuts its power; the database is to end in order.
                compute.stop_server(server)
                self._wait(lambda: compute.get_server(server), _is_off, _server_fault)
            self._discard(there)
            self._end_group(there.metadata)
            self._endpoints.pop(there.metadata.get(seen.ID, ""), None)

    # -- pieces -------------------------------------------------------------------

    def _discard(self, server: Any) -> None:
        """Delete what has no database running, until its volumes are free again."""
        compute = self._api.compute
        compute.delete_server(server.id)
        self._wait(
            lambda: _or_none(lambda: compute.get_server(server.id)),
            lambda s: s is None or s.status == "DELETED",
            lambda s: s.status == "ERROR" and s.task_state is None and "it cannot be deleted",
        )
        for volume in server.attached_volumes:
            self._wait_for_volume(volume["id"], "available")

    def _around(self, instance: str, name: str, kinds: Iterable[str]) -> tuple[Any, dict[str, str]]:
        """The port and the volumes' ids by kind, which a server is made around. Raises Failed."""
        port = self._network.port_of(instance)
        found = {kind: self._volume_of(instance, pieces.volume_name(name, kind)) for kind in kinds}
        missing = ["port"] * (port is None)
        missing += [f"volume {kind}" for kind, volume in found.items() if volume is None]
        if missing:
            raise Failed(f"the {' and the '.join(missing)} of {name} is missing")
        return port, {kind: str(volume.id) for kind, volume in found.items()}

    def _kind_of(self, volume: str) -> str:
        metadata = self._api.block_storage.get_volume(volume).metadata
        return str(metadata.get(seen.VOLUME_KIND, seen.DATA))

    def _server_group(self, identity: Identity, machine: Machine) -> str:
        """The id of the server group, which is made for its first server."""
        compute = self._api.compute
        name = pieces.server_group(identity.metadata(), machine.group)
        for each in compute.server_groups():
            if each.name == name:
                return str(each.id)
        return str(compute.create_server_group(name=name, policy=machine.policy).id)

    def _end_group(self, metadata: Mapping[str, str]) -> None:
        """Delete the server group of a server that is gone, when nobody else is in it."""
        group, _, _ = metadata.get(seen.PLACEMENT, "").partition(" ")
        if not group:
            return
        name = pieces.server_group(metadata, group)
        with self._placing:
            for each in self._api.compute.server_groups():
                if each.name == name and not each.member_ids:
                    self._api.compute.delete_server_group(each.id)

    def _discard_if_never_on(self, server: str) -> None:
        there = self._api.compute.get_server(server)
        if there.launched_at is None:
            self._discard(there)
            self._end_group(there.metadata)

    def _wait_until_active(self, server: str) -> Any:
        compute = self._api.compute
        return self._wait(
            lambda: compute.get_server(server), lambda s: s.status == "ACTIVE", _server_fault
        )

    def _wait_for_volume(self, volume: str, *statuses: str) -> None:
        self._wait(
            lambda: self._api.block_storage.get_volume(volume),
            lambda v: v.status in statuses,
            _volume_fault,
        )

    def _wait(
        self,
        look: Callable[[], _T],
        done: Callable[[_T], bool],
        fault: Callable[[Any], str | bool],
    ) -> _T:
        """Look until it is *done*. Raises Failed with its *fault*, or after a long time."""
        limit = time.monotonic() + _DEADLINE_SECONDS
        while not done(there := look()):
            if text := fault(there):
                raise Failed(str(text))
            if time.monotonic() > limit:
                raise Failed(f"the cloud was not done within {_DEADLINE_SECONDS:.0f} s")
            time.sleep(_POLL_SECONDS)
        return there

    def _volume_of(self, instance: str, name: str) -> Any:
        return _carrying(instance, self._api.block_storage.volumes(name=name))

    def _server_of(self, instance: str, name: str) -> Any:
        return _carrying(instance, self._api.compute.servers(name=f"^{name}$"))

    @cached_property
    def _volume_zones(self) -> set[str]:
        return {zone.name for zone in self._api.block_storage.availability_zones()}


def _disks(image: str, volumes: Mapping[str, str]) -> list[dict[str, Any]]:
    """What a server is made of; it boots from *image* unless *volumes*, by kind, have a root."""
    data = [_attached(volume, -1) for kind, volume in volumes.items() if kind != seen.ROOT]
    if seen.ROOT in volumes:
        return [_attached(volumes[seen.ROOT], 0), *data]
    first = {"uuid": image, "source_type": "image", "destination_type": "local"}
    return [{**first, "boot_index": 0, "delete_on_termination": True}, *data]


def _attached(volume: str, boot_index: int) -> dict[str, Any]:
    return {
        "boot_index": boot_index,
        "uuid": volume,
        "source_type": "volume",
        "destination_type": "volume",
        "delete_on_termination": False,
    }


def _carrying(instance: str, pieces: Iterable[Any]) -> Any:
    return next((p for p in pieces if p.metadata.get(seen.ID) == instance), None)


def _is_off(server: Any) -> bool:
    return bool(server.status == "SHUTOFF")


def _server_fault(server: Any) -> str:
    if server.status != "ERROR":
        return ""
    told = (server.fault or {}).get("message", "Nova does not say why")
    return f"the server is in ERROR: {told}"


def _volume_fault(volume: Any) -> str:
    return (
        f"the volume {volume.id} is in {volume.status}" if volume.status.startswith("error") else ""
    )


def _not_resized(server: Any, flavor: str) -> str:
    """Nova takes back a resize that no host has room for, and says so only in its log."""
    if server.status == "ACTIVE" and server.task_state is None and pieces.flavor(server) != flavor:
        return f'the cloud did not resize it to "{flavor}", most often for want of a host with room'
    return ""


def _listed(listing: Callable[..., Iterable[Any]], **query: Any) -> list[Any]:
    with errors("list what there is"):
        return list(listing(**query))


def _or_none(get: Callable[[], Any]) -> Any:
    try:
        return get()
    except exceptions.NotFoundException:
        return None
