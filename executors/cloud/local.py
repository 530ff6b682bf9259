"""A cloud on this machine: servers are guest agents as processes, volumes are folders.

Everything it knows is in files below its state folder, so it survives its own
restart and has no process of its own. An instance has its own address in
127.0.0.0/8; a server that is "off" is one whose agent does not run.
"""

from __future__ import annotations

import fcntl
import ipaddress
import json
import os
import shutil
import stat
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import msgspec

from executors import permit
from executors.cloud.interface import Boot, Disk, Endpoint, Identity, Machine
from executors.errors import Failed
from guest_agent.toolkit.files import make_folder, write_atomically
from guest_agent.toolkit.processes import ServerProcess
from planners import observed as seen
from planners.observed import CloudState, Flavor, Port, Server, Volume
from planners.steps import Pieces

_Piece = TypeVar("_Piece", Server, Volume, Port)


@dataclass(frozen=True)
class Setup:
    """What the local cloud offers: flavors by name, hosts by availability zone.

    ``images``, where there are any, are folders of programs by name, looked into before PATH.
    """

    state: Path
    network: str
    flavors: Mapping[str, Flavor]
    volume_types: list[str]
    zones: Mapping[str, list[str]]
    images: Mapping[str, list[Path]] = field(default_factory=dict)


class LocalCloud:
    """The cloud; see ``executors.cloud.interface``."""

    boot_seconds = 45.0

    def __init__(self, setup: Setup) -> None:
        self._setup = setup
        self._network = ipaddress.ip_network(setup.network)
        for folder in (setup.state, *(self._folder(kind) for kind in ("s", "v", "p"))):
            # Only passable: a database server's user must reach its own folders below.
            make_folder(folder, 0o711)

    # -- reading ------------------------------------------------------------

    def observe(self) -> CloudState:
        servers = self._all("s", Server)
        return CloudState(
            servers=[msgspec.structs.replace(s, status=self._status(s)) for s in servers],
            volumes=self._all("v", Volume),
            ports=self._all("p", Port),
            flavors=list(self._setup.flavors.values()),
            volume_types=self._setup.volume_types,
            zones=list(self._setup.zones),
            images=dict.fromkeys(self._setup.images, ""),
            filters=False,
        )

    def endpoint(self, instance: str) -> Endpoint | None:
        server = self._read("s", _short(instance), Server)
        if server is None:
            return None
        port = self._read("p", server.port, Port)
        if port is None:
            raise Failed(f"the port {server.port} of {server.name} is missing")
        return Endpoint(instance, port.address, server.metadata[seen.SALT])

    def servers(self) -> list[Server]:
        return self._all("s", Server)

    # -- ports and volumes ----------------------------------------------------

    def allow_access(self, identity: Identity, database: int, cidrs: Sequence[str]) -> None:
        raise Failed("the local cloud has no security groups")

    def delete_group(self, group: str) -> None:
        """There is none."""

    def assign_floating(self, identity: Identity, network: str) -> None:
        raise Failed("the local cloud has no floating addresses")

    def release_floating(self, floating: str) -> None:
        """There is none."""

    def create_port(self, identity: Identity, address: str = "") -> None:
        identifier = _short(identity.id)
        with self._locked():
            if self._read("p", identifier, Port) is None:
                port = Port(
                    id=identifier,
                    name=identity.name,
                    address=self._given(address) if address else self._free_address(),
                    metadata=identity.metadata(),
                )
                self._write("p", port)

    def delete_port(self, port: str) -> None:
        self._remove("p", port)

    def create_volume(self, identity: Identity, disk: Disk) -> None:
        kind = disk.type or self._setup.volume_types[0]
        if kind not in self._setup.volume_types:
            raise Failed(f'there is no volume type "{kind}"')
        identifier = _volume_id(identity.id, disk.kind)
        if self._read("v", identifier, Volume) is None:
            volume = Volume(
                id=identifier,
                name=identity.name,
                size=disk.size,
                kind=disk.kind,
                type=kind,
                zone=self._zone(disk.zone),
                metadata=identity.metadata() | disk.metadata(),
            )
            make_folder(self._place("v", identifier) / "mount", 0o711)
            self._write("v", volume)

    def extend_volume(self, volume: str, size: int) -> None:
        there = self._existing("v", volume, Volume)
        self._write("v", msgspec.structs.replace(there, size=max(size, there.size)))

    def delete_volume(self, volume: str) -> None:
        there = self._read("v", volume, Volume)
        if there is not None and there.server and self._read("s", there.server, Server):
            raise Failed(f"the volume {volume} is attached to the server {there.server}")
        self._remove("v", volume)

    # -- servers --------------------------------------------------------------

    def adopt(self, identity: Identity, held: Pieces, metadata: Mapping[str, str]) -> None:
        told = {**identity.metadata(), **metadata}
        there: list[tuple[str, Server | Volume | Port]] = [
            *(("p", self._existing("p", each, Port)) for each in held.ports),
            *(("v", self._existing("v", each, Volume)) for each in held.volumes),
            ("s", self._existing("s", held.server, Server)),
        ]
        for kind, piece in there:
            marked = {**piece.metadata, **told}
            self._write(kind, msgspec.structs.replace(piece, name=identity.name, metadata=marked))

    def create_server(self, identity: Identity, machine: Machine, boot: Boot) -> None:
        self._flavor(machine.flavor)
        if boot.server_user and os.geteuid() == 0:
            _refuse_unless_passable(self._setup.state, boot.server_user)
        identifier = _short(identity.id)
        port = self._existing("p", identifier, Port)
        ids = [_volume_id(identity.id, kind) for kind in machine.kinds]
        volumes = [self._existing("v", each, Volume) for each in ids]
        with self._locked():
            server = self._read("s", identifier, Server)
            if server is None:
                where = self._zone(machine.zone)
                server = Server(
                    id=identifier,
                    name=identity.name,
                    flavor=machine.flavor,
                    image=machine.image,
                    zone=where,
                    host=self._host(where, identity.project, machine),
                    port=port.id,
                    metadata=identity.metadata() | machine.metadata() | boot.metadata(),
                )
                self._write_settings(server, port, volumes, boot)
                self._write("s", server)
        for volume in volumes:
            self._write("v", msgspec.structs.replace(volume, server=identifier, status="in-use"))
        self._write("p", msgspec.structs.replace(port, server=identifier))
        self.start_server(identifier)

    def start_server(self, server: str) -> None:
        permit.check()
        there = self._existing("s", server, Server)
        folders = [str(each) for each in self._setup.images.get(there.image, [])]
        path = ":".join([*folders, os.environ.get("PATH", os.defpath)])
        command = ["env", f"PATH={path}", sys.executable, "-m", "guest_agent.agent"]
        self._agent(server).start([*command, str(self._place("s", server) / "agent.json")])

    def rebuild_server(self, server: str, image: str, boot: Boot) -> None:
        there = self._existing("s", server, Server)
        if there.image != image:
            port = self._existing("p", there.port, Port)
            self.stop_server(server)
            self._write_settings(there, port, self._attached(server), boot)
            shutil.rmtree(self._place("s", server) / "local", ignore_errors=True)
            self._write("s", msgspec.structs.replace(there, image=image))
        self.start_server(server)

    def stop_server(self, server: str) -> None:
        """Power off: the agent stops its database; whatever is left is stopped after it."""
        permit.check()
        self._agent(server).stop()
        self._database(server).stop()

    def resize_server(self, server: str, flavor: str) -> None:
        self._flavor(flavor)
        there = self._existing("s", server, Server)
        if there.flavor != flavor:
            self.stop_server(server)
            self._write("s", msgspec.structs.replace(there, flavor=flavor))
        self.start_server(server)

    def confirm_resize(self, server: str) -> None:
        """Nothing waits for it here."""

    def revert_resize(self, server: str) -> None:
        """A flavor here is only a number that the agent is told; there is nothing to take back."""

    def set_metadata(self, server: str, key: str, value: str) -> None:
        there = self._existing("s", server, Server)
        metadata = {k: v for k, v in there.metadata.items() if k != key}
        metadata |= {key: value} if value else {}
        self._write("s", msgspec.structs.replace(there, metadata=metadata))

    def delete_server(self, server: str) -> None:
        if self._read("s", server, Server) is None:
            return
        self.stop_server(server)
        for volume in self._attached(server):
            self._write("v", msgspec.structs.replace(volume, server="", status="available"))
        port = self._read("p", server, Port)
        if port is not None:
            self._write("p", msgspec.structs.replace(port, server=""))
        self._remove("s", server)

    # -- pieces ---------------------------------------------------------------

    def _status(self, server: Server) -> str:
        return "ACTIVE" if self._agent(server.id).running() else "SHUTOFF"

    def _agent(self, server: str) -> ServerProcess:
        place = self._place("s", server)
        return ServerProcess(place / "agent.process", place / "agent.log")

    def _database(self, server: str) -> ServerProcess:
        place = self._place("s", server) / "local"
        return ServerProcess(place / "database.process", place / "database.log")

    def _attached(self, server: str) -> list[Volume]:
        return [volume for volume in self._all("v", Volume) if volume.server == server]

    def _write_settings(
        self, server: Server, port: Port, volumes: Sequence[Volume], boot: Boot
    ) -> None:
        place = make_folder(self._place("s", server.id), 0o711)
        mounts = {each.kind: str(self._place("v", each.id) / "mount") for each in volumes}
        # Nothing boots here: the volume for it is a record.
        mounts.pop(seen.ROOT, None)
        settings = {
            "instance": server.metadata[seen.ID],
            "datastore": boot.datastore,
            "driver": boot.package,
            "key": boot.key,
            "secret": boot.secret,
            "address": port.address,
            "database_port": boot.port,
            "volume": mounts.pop(seen.DATA),
            "devices": mounts,
            "local": str(place / "local"),
            "server_user": boot.server_user,
        }
        write_atomically(place / "agent.json", json.dumps(settings))

    def _given(self, address: str) -> str:
        if ipaddress.ip_address(address) not in self._network:
            raise Failed(f"the address {address} is not in {self._network}")
        if address in self._taken():
            raise Failed(f"the address {address} is in use")
        return address

    def _taken(self) -> set[str]:
        return {port.address for port in self._all("p", Port)}

    def _free_address(self) -> str:
        taken = self._taken()
        for host in self._network.hosts():
            if str(host) not in taken:
                return str(host)
        raise Failed(f"every address of {self._network} is in use")

    def _host(self, zone: str, project: str, machine: Machine) -> str:
        """The emptiest host where *machine* may stand beside its group."""
        load = dict.fromkeys(self._setup.zones[zone], 0)
        servers = self._all("s", Server)
        for server in servers:
            if server.host in load:
                load[server.host] += 1
        mark = (project, machine.metadata().get(seen.PLACEMENT))
        group = {
            server.host
            for server in servers
            if (server.metadata[seen.PROJECT], server.metadata.get(seen.PLACEMENT)) == mark
        }
        if machine.group and machine.policy == "affinity" and group:
            load = {host: count for host, count in load.items() if host in group}
        elif machine.group and machine.policy == "anti-affinity":
            load = {host: count for host, count in load.items() if host not in group}
        if not load:
            text = f"no host of {zone} is left for the group {machine.group}"
            raise Failed(f"{text} with {machine.policy}")
        return min(load, key=lambda host: (load[host], host))

    def _zone(self, zone: str) -> str:
        zone = zone or next(iter(self._setup.zones))
        if zone not in self._setup.zones:
            raise Failed(f'there is no availability zone "{zone}"')
        return zone

    def _flavor(self, flavor: str) -> None:
        if flavor not in self._setup.flavors:
            raise Failed(f'there is no flavor "{flavor}"')

    # -- files ----------------------------------------------------------------

    def _folder(self, kind: str) -> Path:
        return self._setup.state / {"s": "servers", "v": "volumes", "p": "ports"}[kind]

    def _place(self, kind: str, identifier: str) -> Path:
        return self._folder(kind) / identifier

    def _read(self, kind: str, identifier: str, model: type[_Piece]) -> _Piece | None:
        try:
            raw = (self._place(kind, identifier) / "piece.json").read_bytes()
        except FileNotFoundError:
            return None
        return msgspec.json.decode(raw, type=model)

    def _existing(self, kind: str, identifier: str, model: type[_Piece]) -> _Piece:
        piece = self._read(kind, identifier, model)
        if piece is None:
            raise Failed(f"there is no {model.__name__.lower()} {identifier}")
        return piece

    def _all(self, kind: str, model: type[_Piece]) -> list[_Piece]:
        names = sorted(entry.name for entry in self._folder(kind).iterdir())
        return [piece for name in names if (piece := self._read(kind, name, model)) is not None]

    def _write(self, kind: str, piece: Server | Volume | Port) -> None:
        permit.check()
        place = make_folder(self._place(kind, piece.id), 0o711)
        write_atomically(place / "piece.json", msgspec.json.encode(piece).decode())

    def _remove(self, kind: str, identifier: str) -> None:
        """The description goes last, so that what is half removed can still be found."""
        permit.check()
        place = self._place(kind, identifier)
        if not place.exists():
            return
        for entry in place.iterdir():
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry, ignore_errors=True)
            elif entry.name != "piece.json":
                entry.unlink(missing_ok=True)
        (place / "piece.json").unlink(missing_ok=True)
        place.rmdir()

    @contextmanager
    def _locked(self) -> Iterator[None]:
        descriptor = os.open(self._setup.state / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)


def _refuse_unless_passable(folder: Path, user: str) -> None:
    """Raises Failed where a folder above keeps *user* from what lies below *folder*."""
    for each in folder.parents:
        if not each.stat().st_mode & stat.S_IXOTH:
            raise Failed(
                f"the user {user}, who runs the database server, may not pass through {each}; "
                f"run: chmod o+x {each}, or set GITROVE_HOME to another folder"
            )


def _volume_id(instance: str, kind: str) -> str:
    return _short(instance) if kind == seen.DATA else f"{_short(instance)}-{kind}"


def _short(instance: str) -> str:
    """The id of an instance's pieces: short, since sockets lie below it and a path has a limit."""
    return instance.replace("-", "")[:16]
