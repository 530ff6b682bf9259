"""What every cloud can do: list everything at once, and a few verbs that may be repeated.

Creating what exists returns it, deleting what is gone succeeds. Pieces are
found again by their metadata (see ``planners.observed``), never by memory.
All methods raise ``executors.errors.Passing`` or ``Failed``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from planners import observed as seen
from planners.observed import CloudState, Port, Server
from planners.steps import CreateServer, Pieces


@dataclass(frozen=True, slots=True)
class Identity:
    """Whose piece it is, and the region that it is in; empty: the cloud's first."""

    project: str
    name: str
    id: str
    repository: str = ""
    region: str = ""

    def metadata(self) -> dict[str, str]:
        named = {seen.PROJECT: self.project, seen.NAME: self.name, seen.ID: self.id}
        named |= {seen.REPOSITORY: self.repository} if self.repository else {}
        return named | ({seen.REGION: self.region} if self.region else {})


@dataclass(frozen=True, slots=True)
class Boot:
    """What a new server is told: its datastore's driver and port, its keys, who runs the database.

    ``salt`` is kept as metadata; ``key`` and ``secret`` reach the guest alone.
    """

    datastore: str
    package: str
    port: int
    server_user: str
    salt: str
    key: str
    secret: str
    cloud_config: str = ""
    """The datastore's own part of cloud-config."""

    def metadata(self) -> dict[str, str]:
        return {seen.SALT: self.salt, seen.DATASTORE: self.datastore}


@dataclass(frozen=True, slots=True)
class Disk:
    """What a new volume is: GiB, type and zone by the cloud's names, whose data, of which kind."""

    size: int
    datastore: str
    type: str = ""
    zone: str = ""
    kind: str = seen.DATA
    image: str = ""
    """What a root disk is made from, by name."""

    def metadata(self) -> dict[str, str]:
        kind = {seen.VOLUME_KIND: self.kind} if self.kind != seen.DATA else {}
        return {seen.DATASTORE: self.datastore} | kind


@dataclass(frozen=True, slots=True)
class Machine:
    """What a new server is: flavor, image and zone by the cloud's names, version and placement.

    Servers of a project with the same ``group`` stand in one server group with ``policy``
    (affinity, anti-affinity).
    """

    flavor: str
    image: str
    version: str = ""
    zone: str = ""
    group: str = ""
    policy: str = ""
    rotation: int = 1
    """Of the guest's key."""
    kinds: tuple[str, ...] = (seen.DATA,)
    """Of its volumes, in the order in which they are mounted; it boots from one for the root."""

    def metadata(self) -> dict[str, str]:
        placed = {seen.PLACEMENT: f"{self.group} {self.policy}"} if self.group else {}
        rotated = {seen.KEY_ROTATION: str(self.rotation)} if self.rotation != 1 else {}
        return {seen.VERSION: self.version} | placed | rotated


def machine_of(step: CreateServer) -> Machine:
    return Machine(
        flavor=step.flavor,
        image=step.image,
        version=step.version,
        zone=step.zone,
        group=step.group,
        policy=step.policy,
        rotation=step.rotation,
        kinds=tuple(step.kinds),
    )


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where the guest of an instance listens, and the salt of its key."""

    instance: str
    address: str
    salt: str


def endpoints(servers: Iterable[Server], ports: Iterable[Port]) -> list[Endpoint]:
    """The guests of those *servers* that carry identity and salt, and whose port is there."""
    addresses = {port.id: port.address for port in ports}
    return [
        Endpoint(server.metadata[seen.ID], addresses[server.port], server.metadata[seen.SALT])
        for server in servers
        if server.port in addresses and {seen.ID, seen.SALT} <= server.metadata.keys()
    ]


class Cloud(Protocol):
    """One cloud."""

    boot_seconds: float
    """How long a server may take from its start until its guest answers."""

    def observe(self) -> CloudState: ...

    def endpoint(self, instance: str) -> Endpoint | None:
        """The guest of an instance; None while it has no server."""
        ...

    def allow_access(self, identity: Identity, database: int, cidrs: Sequence[str]) -> None:
        """Let *cidrs*, and nobody else, reach the TCP port *database*, by a security group.

        It is made if it is missing, and guards the identity's port once there is one.
        """

    def delete_group(self, group: str) -> None:
        """Take it from the port that it guards, and delete it."""

    def assign_floating(self, identity: Identity, network: str) -> None:
        """An address of the external *network*, by name, that leads to the identity's port."""

    def release_floating(self, floating: str) -> None: ...

    def create_port(self, identity: Identity, address: str = "") -> None:
        """A port with this *address*, or one that the network chooses."""

    def delete_port(self, port: str) -> None: ...

    def create_volume(self, identity: Identity, disk: Disk) -> None:
        """Make it, empty or from the disk's image."""

    def extend_volume(self, volume: str, size: int) -> None: ...

    def delete_volume(self, volume: str) -> None: ...

    def adopt(self, identity: Identity, held: Pieces, metadata: Mapping[str, str]) -> None:
        """Mark the pieces that are *held* as the identity's, and change nothing else.

        *metadata* is for the server and the volumes.
        """

    def create_server(self, identity: Identity, machine: Machine, boot: Boot) -> None:
        """Make the server on the identity's port with its volumes attached, and start it."""

    def rebuild_server(self, server: str, image: str, boot: Boot) -> None:
        """Make it anew from *image*, unless it is; port, volume and metadata stay."""

    def start_server(self, server: str) -> None: ...

    def resize_server(self, server: str, flavor: str) -> None:
        """Give it *flavor* and start it; confirmed or reverted when that has been tried."""

    def confirm_resize(self, server: str) -> None: ...

    def revert_resize(self, server: str) -> None:
        """Back to the flavor before; a cloud that has confirmed already keeps the new one."""

    def set_metadata(self, server: str, key: str, value: str) -> None:
        """Set *key*, or take it away where *value* is empty."""

    def delete_server(self, server: str) -> None:
        """Stop it in an orderly way and remove it; its volume and port stay.

        A server group ends with its last server.
        """
