"""A whole cloud with its guests, in memory: deterministic, with faults on demand.

``fault`` is called with a verb's name before its effect (``create_server``) and
after it (``create_server:done``); what it raises, the caller gets. With a
*store*, the state is on disk after every verb, as a real cloud's would be.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from executors import permit
from executors.cloud.interface import Boot, Disk, Endpoint, Identity, Machine
from executors.errors import Failed
from executors.guest.simulated import GuestState
from planners import observed as seen
from planners.observed import (
    CloudState,
    Flavor,
    FloatingAddress,
    Group,
    Port,
    Server,
    Volume,
)
from planners.steps import Pieces

Fault = Callable[[str], None]
_Piece = TypeVar("_Piece")


EXTERNAL = "public"


class State(msgspec.Struct):
    """Everything that the simulation holds; pieces by id, guests by instance id."""

    servers: dict[str, Server] = {}
    volumes: dict[str, Volume] = {}
    ports: dict[str, Port] = {}
    groups: dict[str, Group] = {}
    floating: dict[str, FloatingAddress] = {}
    guests: dict[str, GuestState] = {}
    """What is on the volume of an instance: it outlives the server."""
    next_number: int = 1


def _no_fault(_verb: str) -> None:
    return None


class SimulatedCloud:
    """The cloud; see ``executors.cloud.interface``."""

    boot_seconds = 45.0

    def __init__(
        self,
        flavors: Mapping[str, int] | None = None,
        volume_types: tuple[str, ...] = ("standard", "fast"),
        zones: tuple[str, ...] = ("az1", "az2"),
        store: Path | None = None,
        fault: Fault = _no_fault,
    ) -> None:
        self.fault = fault
        self._flavors = dict(flavors or {"tiny": 256, "small": 512, "medium": 1024, "large": 2048})
        self._volume_types = volume_types
        self._zones = zones
        self._store = store
        self._lock = threading.RLock()
        self.state = State()
        if store is not None and store.exists():
            self.state = msgspec.json.decode(store.read_bytes(), type=State)

    def observe(self) -> CloudState:
        with self._verb("observe"):
            return CloudState(
                servers=list(self.state.servers.values()),
                volumes=list(self.state.volumes.values()),
                ports=list(self.state.ports.values()),
                groups=list(self.state.groups.values()),
                floating=list(self.state.floating.values()),
                external_networks=[EXTERNAL],
                flavors=[Flavor(name=name, ram=ram) for name, ram in self._flavors.items()],
                volume_types=list(self._volume_types),
                zones=list(self._zones),
            )

    def endpoint(self, instance: str) -> Endpoint | None:
        server = self.state.servers.get(_server_id(instance))
        if server is None:
            return None
        port = self.state.ports[server.port]
        return Endpoint(instance, port.address, server.metadata[seen.SALT])

    def allow_access(self, identity: Identity, database: int, cidrs: Sequence[str]) -> None:
        with self._verb("allow_access"):
            group, port = f"group-{identity.id}", f"port-{identity.id}"
            self.state.groups[group] = Group(
                id=group,
                name=identity.name,
                region=identity.region,
                cidrs=sorted(cidrs),
                database=database,
                port=port if port in self.state.ports else "",
                metadata=identity.metadata(),
            )

    def delete_group(self, group: str) -> None:
        with self._verb("delete_group"):
            self.state.groups.pop(group, None)

    def assign_floating(self, identity: Identity, network: str) -> None:
        with self._verb("assign_floating"):
            port = self._find(self.state.ports, f"port-{identity.id}")
            if network != EXTERNAL:
                raise Failed(f'there is no external network "{network}"')
            floating = f"floating-{identity.id}"
            self.state.floating[floating] = FloatingAddress(
                id=floating,
                name=identity.name,
                region=identity.region,
                address=port.address.replace("127.", "10.", 1),
                network=network,
                port=port.id,
                metadata=identity.metadata(),
            )

    def release_floating(self, floating: str) -> None:
        with self._verb("release_floating"):
            self.state.floating.pop(floating, None)

    def create_port(self, identity: Identity, address: str = "") -> None:
        with self._verb("create_port"):
            port = f"port-{identity.id}"
            if port not in self.state.ports:
                number = self.state.next_number
                self.state.next_number += 1
                given = f"127.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"
                if address in {each.address for each in self.state.ports.values()}:
                    raise Failed(f"the address {address} is in use")
                self.state.ports[port] = Port(
                    id=port,
                    name=identity.name,
                    region=identity.region,
                    address=address or given,
                    metadata=identity.metadata(),
                )
            group = self.state.groups.get(f"group-{identity.id}")
            if group is not None:
                self.state.groups[group.id] = msgspec.structs.replace(group, port=port)

    def delete_port(self, port: str) -> None:
        with self._verb("delete_port"):
            self.state.ports.pop(port, None)

    def create_volume(self, identity: Identity, disk: Disk) -> None:
        with self._verb("create_volume"):
            volume = _volume_id(identity.id, disk.kind)
            if volume not in self.state.volumes:
                self.state.volumes[volume] = Volume(
                    id=volume,
                    name=identity.name,
                    region=identity.region,
                    size=disk.size,
                    kind=disk.kind,
                    type=disk.type or self._volume_types[0],
                    zone=disk.zone or self._zones[0],
                    metadata=identity.metadata() | disk.metadata(),
                )

    def extend_volume(self, volume: str, size: int) -> None:
        with self._verb("extend_volume"):
            there = self._find(self.state.volumes, volume)
            larger = msgspec.structs.replace(there, size=max(there.size, size))
            self.state.volumes[volume] = larger

    def delete_volume(self, volume: str) -> None:
        with self._verb("delete_volume"):
            there = self.state.volumes.get(volume)
            if there is not None and there.server:
                raise Failed(f"the volume {volume} is attached to {there.server}")
            self.state.volumes.pop(volume, None)
            if there is not None and there.kind == seen.DATA:
                self.state.guests.pop(there.metadata[seen.ID], None)

    def adopt(self, identity: Identity, held: Pieces, metadata: Mapping[str, str]) -> None:
        with self._verb("adopt"):
            told = {**identity.metadata(), **metadata}
            shelves: list[tuple[list[str], dict[str, Any]]] = [
                (held.groups, self.state.groups),
                (held.floating, self.state.floating),
                (held.ports, self.state.ports),
                (held.volumes, self.state.volumes),
                ([held.server], self.state.servers),
            ]
            for each, shelf in [(each, shelf) for ids, shelf in shelves for each in ids]:
                piece = self._find(shelf, each)
                marked = {**piece.metadata, **told}
                shelf[each] = msgspec.structs.replace(piece, name=identity.name, metadata=marked)

    def create_server(self, identity: Identity, machine: Machine, boot: Boot) -> None:
        with self._verb("create_server"):
            server = _server_id(identity.id)
            if server in self.state.servers:
                return
            kinds = machine.kinds
            volumes = [self._find(self.state.volumes, _volume_id(identity.id, k)) for k in kinds]
            port = self._find(self.state.ports, f"port-{identity.id}")
            metadata = identity.metadata() | machine.metadata() | boot.metadata()
            self.state.servers[server] = Server(
                id=server,
                name=identity.name,
                region=identity.region,
                flavor=machine.flavor,
                image=machine.image,
                zone=machine.zone or self._zones[0],
                host=self._host(machine),
                port=port.id,
                metadata=metadata,
            )
            for volume in volumes:
                attached = msgspec.structs.replace(volume, server=server, status="in-use")
                self.state.volumes[volume.id] = attached
            self.state.ports[port.id] = msgspec.structs.replace(port, server=server)
            guest = self.state.guests.setdefault(identity.id, GuestState(datastore=boot.datastore))
            guest.running = guest.prepared

    def start_server(self, server: str) -> None:
        with self._verb("start_server"):
            there = self._find(self.state.servers, server)
            self.state.servers[server] = msgspec.structs.replace(there, status="ACTIVE")
            guest = self.state.guests[there.metadata[seen.ID]]
            guest.running = guest.prepared

    def rebuild_server(self, server: str, image: str, boot: Boot) -> None:
        with self._verb("rebuild_server"):
            there = self._find(self.state.servers, server)
            self.state.servers[server] = msgspec.structs.replace(there, image=image)

    def resize_server(self, server: str, flavor: str) -> None:
        with self._verb("resize_server"):
            there = self._find(self.state.servers, server)
            if flavor not in self._flavors:
                raise Failed(f'there is no flavor "{flavor}"')
            self.state.servers[server] = msgspec.structs.replace(
                there, flavor=flavor, status="ACTIVE"
            )

    def confirm_resize(self, server: str) -> None:
        with self._verb("confirm_resize"):
            self._find(self.state.servers, server)

    def revert_resize(self, server: str) -> None:
        with self._verb("revert_resize"):
            self._find(self.state.servers, server)

    def set_metadata(self, server: str, key: str, value: str) -> None:
        with self._verb("set_metadata"):
            there = self._find(self.state.servers, server)
            metadata = {k: v for k, v in there.metadata.items() if k != key}
            metadata |= {key: value} if value else {}
            self.state.servers[server] = msgspec.structs.replace(there, metadata=metadata)

    def delete_server(self, server: str) -> None:
        with self._verb("delete_server"):
            gone = self.state.servers.pop(server, None)
            if gone is None:
                return
            for volume in [v for v in self.state.volumes.values() if v.server == server]:
                free = msgspec.structs.replace(volume, server="", status="available")
                self.state.volumes[volume.id] = free
            if gone.port in self.state.ports:
                port = self.state.ports[gone.port]
                self.state.ports[gone.port] = msgspec.structs.replace(port, server="")
            if gone.metadata[seen.ID] in self.state.guests:
                self.state.guests[gone.metadata[seen.ID]].running = False

    def guest(self, instance: str) -> GuestState | None:
        """The guest of an instance whose server is on, else None."""
        server = self.state.servers.get(_server_id(instance))
        if server is None or server.status != "ACTIVE":
            return None
        return self.state.guests.get(instance)

    @contextmanager
    def _verb(self, name: str) -> Iterator[None]:
        """One verb: faults around it, one at a time, and the state on disk after it."""
        permit.check()
        with self._lock:
            self.fault(name)
            yield
            self.save()
        self.fault(f"{name}:done")

    @contextmanager
    def guest_verb(self, name: str) -> Iterator[None]:
        """The same for a guest's method."""
        with self._verb(name):
            yield

    def save(self) -> None:
        if self._store is not None:
            scratch = self._store.with_suffix(".new")
            scratch.write_bytes(msgspec.json.encode(self.state))
            os.replace(scratch, self._store)

    def _host(self, machine: Machine) -> str:
        if machine.policy != "anti-affinity":
            return "host1"
        mark = machine.metadata()[seen.PLACEMENT]
        placed = [s.metadata.get(seen.PLACEMENT) for s in self.state.servers.values()]
        return f"host{placed.count(mark) + 1}"

    def _find(self, pieces: dict[str, _Piece], identifier: str) -> _Piece:
        if identifier not in pieces:
            raise Failed(f"{identifier} does not exist")
        return pieces[identifier]


def _volume_id(instance: str, kind: str) -> str:
    return f"volume-{instance}" if kind == seen.DATA else f"volume-{instance}-{kind}"


def _server_id(instance: str) -> str:
    return f"server-{instance}"
