"""An OpenStack cloud, by openstacksdk: Nova, Neutron, Cinder and Glance.

Pieces are found by what they carry: servers and volumes by metadata, ports by
tags. Observing takes one paged list for each kind of piece, at the same time.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property
from ipaddress import ip_network
from typing import Any, TypeVar

from openstack import exceptions

from executors.cloud.interface import Boot, Endpoint, Identity, endpoints
from executors.cloud.user_data import user_data
from executors.errors import Failed
from executors.openstack_api import connected, errors
from planners import observed as seen
from planners.observed import CloudState, Flavor, Group, Port, Server, Volume

_TAG = "gitrove"
_POLL_SECONDS = 0.5
_DEADLINE_SECONDS = 600.0
_EXTEND_IN_USE = "3.42"
"""The version of Cinder's API that extends a volume which is attached."""
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

    @cached_property
    def _api(self) -> Any:
        services = ("compute", "block_storage", "network", "image")
        return connected(self._setup.cloud, self._setup.region, services)

    # -- reading --------------------------------------------------------------

    def observe(self) -> CloudState:
        api = self._api
        with ThreadPoolExecutor(8, "observe") as pool:
            servers = pool.submit(_listed, api.compute.servers)
            volumes = pool.submit(_listed, api.block_storage.volumes)
            ports = pool.submit(_listed, api.network.ports, tags=_TAG)
            groups = pool.submit(_listed, api.network.security_groups, tags=_TAG)
            flavors = pool.submit(_listed, api.compute.flavors)
            types = pool.submit(_listed, api.block_storage.types)
            zones = pool.submit(_listed, api.compute.availability_zones)
            images = pool.submit(_listed, api.image.images)
            seen_ports = [_port(port) for port in ports.result()]
            of_server = {port.server: port.id for port in seen_ports if port.server}
            state = CloudState(
                servers=[
                    _server(server, of_server)
                    for server in servers.result()
                    if seen.ID in server.metadata
                ],
                volumes=[_volume(v) for v in volumes.result() if seen.ID in v.metadata],
                ports=seen_ports,
                groups=[_group(group, ports.result()) for group in groups.result()],
                flavors=[Flavor(name=f.name, vcpus=f.vcpus, ram=f.ram) for f in flavors.result()],
                volume_types=sorted(kind.name for kind in types.result()),
                zones=sorted(z.name for z in zones.result() if z.state["available"]),
                images=sorted({image.name for image in images.result() if image.name}),
            )
        self._endpoints = {e.instance: e for e in endpoints(state.servers, state.ports)}
        return state

    def endpoint(self, instance: str) -> Endpoint | None:
        if instance not in self._endpoints:
            self.observe()
        return self._endpoints.get(instance)

    # -- ports and volumes ------------------------------------------------------

    def allow_access(self, identity: Identity, database: int, cidrs: Sequence[str]) -> None:
        with errors("set the security group"):
            network = self._api.network
            group = self._group_of(identity.id)
            if group is None:
                group = network.create_security_group(
                    name=_name(identity), description=_description(identity.id)
                )
            network.set_tags(group, _tags(identity))
            wished = {(cidr, database) for cidr in cidrs}
            for rule in _ingress(group):
                if _opens(rule) not in wished:
                    network.delete_security_group_rule(rule["id"])
            for cidr, port in sorted(wished - {_opens(rule) for rule in _ingress(group)}):
                network.create_security_group_rule(
                    security_group_id=group.id,
                    direction="ingress",
                    ethertype=f"IPv{ip_network(cidr).version}",
                    protocol="tcp",
                    port_range_min=port,
                    port_range_max=port,
                    remote_ip_prefix=cidr,
                )
            guarded = self._port_of(identity.id)
            if guarded is not None and group.id not in guarded.security_group_ids:
                groups = [*guarded.security_group_ids, group.id]
                network.update_port(guarded, security_groups=groups)

    def delete_group(self, group: str) -> None:
        with errors(f"delete the security group {group}"):
            network = self._api.network
            for port in network.ports(tags=_TAG):
                if group in port.security_group_ids:
                    others = [each for each in port.security_group_ids if each != group]
                    network.update_port(port, security_groups=others)
            network.delete_security_group(group)

    def create_port(self, identity: Identity, address: str = "") -> None:
        with errors("create the port"):
            network = self._api.network
            port = self._port_of(identity.id)
            if port is None:
                own = self._group_of(identity.id)
                groups = [*self._base_groups, own.id] if own else self._security_groups
                port = network.create_port(
                    network_id=self._network,
                    name=_name(identity),
                    description=_description(identity.id),
                    **({"security_groups": groups} if groups else {}),
                    **({"fixed_ips": [{"ip_address": address}]} if address else {}),
                )
            network.set_tags(port, _tags(identity))

    def delete_port(self, port: str) -> None:
        with errors(f"delete the port {port}"):
            self._api.network.delete_port(port)

    def create_volume(
        self, identity: Identity, size: int, kind: str, zone: str, datastore: str
    ) -> None:
        with errors("create the volume"):
            volume = self._volume_of(identity.id, _name(identity))
            if volume is None:
                volume = self._api.block_storage.create_volume(
                    name=_name(identity),
                    size=size,
                    metadata=identity.metadata() | {seen.DATASTORE: datastore},
                    **({"volume_type": kind} if kind else {}),
                    **({"availability_zone": zone} if zone in self._volume_zones else {}),
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

    def create_server(
        self, identity: Identity, flavor: str, image: str, zone: str, boot: Boot
    ) -> None:
        with errors("create the server"):
            server = self._server_of(identity.id, _name(identity))
            if server is None:
                server = self._begin_server(identity, flavor, image, zone, boot)
            try:
                server = self._wait_until_active(server.id)
            except Failed:
                self._discard_if_never_on(server.id)
                raise
            address = _address(self._port_of(identity.id))
        self._endpoints[identity.id] = Endpoint(identity.id, address, server.metadata[seen.SALT])

    def _begin_server(
        self, identity: Identity, flavor: str, image: str, zone: str, boot: Boot
    ) -> Any:
        compute = self._api.compute
        port = self._port_of(identity.id)
        volume = self._volume_of(identity.id, _name(identity))
        if port is None or volume is None:
            raise Failed(f"the {'volume' if port else 'port'} of {identity.name} is missing")
        found = self._named(self._api.image.find_image, "image", image)
        return compute.create_server(
            name=_name(identity),
            flavor_id=self._named(compute.find_flavor, "flavor", flavor).id,
            image_id=found.id,
            networks=[{"port": port.id}],
            config_drive=True,
            user_data=user_data(identity.id, _address(port), volume.id, boot),
            metadata=identity.metadata() | {seen.SALT: boot.salt, seen.DATASTORE: boot.datastore},
            block_device_mapping=[
                {
                    "boot_index": 0,
                    "uuid": found.id,
                    "source_type": "image",
                    "destination_type": "local",
                    "delete_on_termination": True,
                },
                {
                    "boot_index": -1,
                    "uuid": volume.id,
                    "source_type": "volume",
                    "destination_type": "volume",
                    "delete_on_termination": False,
                },
            ],
            **({"availability_zone": zone} if zone else {}),
        )

    def start_server(self, server: str) -> None:
        with errors(f"start the server {server}"):
            if self._api.compute.get_server(server).status == "SHUTOFF":
                self._api.compute.start_server(server)
            self._wait_until_active(server)

    def resize_server(self, server: str, flavor: str) -> None:
        with errors(f"resize the server {server}"):
            compute = self._api.compute
            wanted = self._named(compute.find_flavor, "flavor", flavor)
            there = compute.get_server(server)
            if there.status == "VERIFY_RESIZE" and _flavor(there) != flavor:
                self.revert_resize(server)
                there = compute.get_server(server)
            if _flavor(there) != flavor:
                compute.resize_server(server, wanted.id)
            self._wait(
                lambda: compute.get_server(server),
                lambda s: _flavor(s) == flavor and s.status in ("VERIFY_RESIZE", "ACTIVE"),
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

    def _discard_if_never_on(self, server: str) -> None:
        there = self._api.compute.get_server(server)
        if there.launched_at is None:
            self._discard(there)

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

    def _port_of(self, instance: str) -> Any:
        ports = list(self._api.network.ports(description=_description(instance)))
        return ports[0] if ports else None

    def _group_of(self, instance: str) -> Any:
        found = self._api.network.security_groups(description=_description(instance))
        return next(iter(found), None)

    def _volume_of(self, instance: str, name: str) -> Any:
        return _carrying(instance, self._api.block_storage.volumes(name=name))

    def _server_of(self, instance: str, name: str) -> Any:
        return _carrying(instance, self._api.compute.servers(name=f"^{name}$"))

    def _named(self, find: Callable[..., Any], kind: str, name: str) -> Any:
        try:
            return find(name, ignore_missing=False)
        except exceptions.DuplicateResource:
            raise Failed(f'there is more than one {kind} "{name}"') from None
        except exceptions.NotFoundException:
            raise Failed(f'there is no {kind} "{name}"') from None

    @cached_property
    def _network(self) -> str:
        find = self._api.network.find_network
        return str(self._named(find, "network", self._setup.network).id)

    @cached_property
    def _security_groups(self) -> list[str]:
        find = self._api.network.find_security_group
        return [
            self._named(find, "security group", name).id for name in self._setup.security_groups
        ]

    @cached_property
    def _base_groups(self) -> list[str]:
        """What a port has beside a group of its own: the named ones, else as Neutron would."""
        find = self._api.network.find_security_group
        return self._security_groups or [self._named(find, "security group", "default").id]

    @cached_property
    def _volume_zones(self) -> set[str]:
        return {zone.name for zone in self._api.block_storage.availability_zones()}


def _listed(listing: Callable[..., Iterable[Any]], **query: Any) -> list[Any]:
    with errors("list what there is"):
        return list(listing(**query))


def _name(identity: Identity) -> str:
    return f"{identity.project}-{identity.name}"


def _description(instance: str) -> str:
    """By it a port is found that was made, but not tagged yet: tags are a call of their own."""
    return f"{seen.ID}={instance}"


def _tags(identity: Identity) -> list[str]:
    return [_TAG, *(f"{key}={value}" for key, value in identity.metadata().items())]


def _carrying(instance: str, pieces: Iterable[Any]) -> Any:
    return next((p for p in pieces if p.metadata.get(seen.ID) == instance), None)


def _server(server: Any, ports: dict[str, str]) -> Server:
    return Server(
        id=server.id,
        name=server.metadata.get(seen.NAME, server.name),
        status=server.status,
        flavor=_flavor(server),
        image=(server.image or {}).get("id") or "",
        zone=server.availability_zone or "",
        host=server.hypervisor_hostname or (server.host_id or "")[:8],
        port=ports.get(server.id, ""),
        metadata=dict(server.metadata),
    )


def _flavor(server: Any) -> str:
    return str(server.flavor.original_name or server.flavor.name or "")


def _volume(volume: Any) -> Volume:
    return Volume(
        id=volume.id,
        name=volume.metadata.get(seen.NAME, volume.name),
        status=volume.status,
        size=volume.size,
        type=volume.volume_type or "",
        zone=volume.availability_zone or "",
        server=volume.attachments[0]["server_id"] if volume.attachments else "",
        metadata=dict(volume.metadata),
    )


def _port(port: Any) -> Port:
    metadata = dict(tag.split("=", 1) for tag in port.tags if "=" in tag)
    return Port(
        id=port.id,
        name=metadata.get(seen.NAME, port.name),
        address=_address(port),
        server=port.device_id or "",
        metadata=metadata,
    )


def _group(group: Any, ports: Iterable[Any]) -> Group:
    metadata = dict(tag.split("=", 1) for tag in group.tags if "=" in tag)
    opened = [_opens(rule) for rule in _ingress(group)]
    return Group(
        id=group.id,
        name=metadata.get(seen.NAME, group.name),
        cidrs=sorted(cidr for cidr, _ in opened),
        # Rules for other TCP ports are not what was declared, whatever else there is.
        database=opened[0][1] if len({port for _, port in opened}) == 1 else 0,
        port=next((port.id for port in ports if group.id in port.security_group_ids), ""),
        metadata=metadata,
    )


def _ingress(group: Any) -> list[Any]:
    return [rule for rule in group.security_group_rules if rule["direction"] == "ingress"]


def _opens(rule: Any) -> tuple[str, int]:
    """The network and the TCP port that a rule opens; port 0 for one that opens more than one."""
    first, last = rule["port_range_min"], rule["port_range_max"]
    one = first == last and rule["protocol"] in ("tcp", "6")
    return rule["remote_ip_prefix"] or "", (first or 0) if one else 0


def _address(port: Any) -> str:
    return str(port.fixed_ips[0]["ip_address"]) if port.fixed_ips else ""


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
    if server.status == "ACTIVE" and server.task_state is None and _flavor(server) != flavor:
        return f'the cloud did not resize it to "{flavor}", most often for want of a host with room'
    return ""


def _or_none(get: Callable[[], Any]) -> Any:
    try:
        return get()
    except exceptions.NotFoundException:
        return None
