"""One immutable snapshot of what the clouds, the guests and the journal say."""

from __future__ import annotations

import msgspec

from guest_agent.contract.report import Report

PROJECT = "gitrove:project"
NAME = "gitrove:name"
ID = "gitrove:id"
REPOSITORY = "gitrove:repository"
SALT = "gitrove:salt"
"""The metadata keys of managed identity; the salt is what the guest's key is derived with."""
DATASTORE = "gitrove:datastore"
VERSION = "gitrove:version"
PLACEMENT = "gitrove:placement"
KEY_ROTATION = "gitrove:key-rotation"
REGION = "gitrove:region"
"""Of what is not in the first region; two can share a service that lists what is in both."""
VOLUME_KIND = "gitrove:volume-kind"
DATA = "data"
ROOT = "root"
"""The kinds of volumes: the one that every instance has; what a server boots from."""
PROTECTED = "gitrove:protected"
FINAL_BACKUP = "gitrove:final-backup"
DEFAULT_STORAGE = ""
"""The name of the storage of archives, and of backups that name no other."""


class _Data(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, rename="camel"):
    pass


class _Piece(_Data, frozen=True, kw_only=True):
    """What a cloud holds of one instance, by the cloud's id; ``region`` is empty in the first."""

    id: str
    name: str
    region: str = ""
    metadata: dict[str, str] = {}


class Flavor(_Data, frozen=True, kw_only=True):
    name: str
    vcpus: int = 1
    ram: int = 512
    """MiB."""
    disk: int = 0
    """GiB, of its root."""


class Server(_Piece, frozen=True, kw_only=True):
    """``status`` is Nova's: ACTIVE, SHUTOFF, BUILD, ERROR; ``image`` is a name, where known."""

    status: str = "ACTIVE"
    flavor: str = ""
    image: str = ""
    zone: str = ""
    host: str = ""
    port: str = ""


class Volume(_Piece, frozen=True, kw_only=True):
    """``size`` in GiB; ``server`` is the id of the server it is attached to.

    ``kind`` is what is on it: data, or what a datastore keeps apart from it.
    """

    status: str = "available"
    size: int = 1
    kind: str = DATA
    type: str = ""
    zone: str = ""
    server: str = ""


class Port(_Piece, frozen=True, kw_only=True):
    """``metadata`` stands for the tags of a port."""

    address: str = ""
    server: str = ""


class Group(_Piece, frozen=True, kw_only=True):
    """A security group of one instance: which networks reach its TCP port ``database``.

    ``port`` is the id of the port that it guards; ``metadata`` stands for its tags.
    """

    cidrs: list[str] = []
    database: int = 0
    port: str = ""


class FloatingAddress(_Piece, frozen=True, kw_only=True):
    """An address of an external ``network`` (by name) that leads to the port with the id ``port``.

    ``metadata`` stands for its tags.
    """

    address: str = ""
    network: str = ""
    port: str = ""


class Catalogue(_Data, frozen=True, kw_only=True):
    """What a region offers, by name."""

    flavors: list[Flavor] = []
    volume_types: list[str] = []
    zones: list[str] = []
    images: dict[str, str] = {}
    """A digest of each one's content and properties; empty where the cloud has none of its own."""
    external_networks: list[str] = []
    """Those that give floating addresses."""


class CloudState(Catalogue, frozen=True, kw_only=True):
    """Everything that one cloud lists; what it offers is that of its first region."""

    servers: list[Server] = []
    volumes: list[Volume] = []
    ports: list[Port] = []
    groups: list[Group] = []
    floating: list[FloatingAddress] = []
    region: str = ""
    """The name of the first region."""
    further_regions: dict[str, Catalogue] = {}
    filters: bool = True
    """Whether the cloud keeps what no group allows from a port."""


class StoredBackup(_Data, frozen=True, kw_only=True):
    """A backup as the storage describes it; ``finished`` is 0 while it is not complete.

    ``instance`` is the managed id, ``instance_name`` the name that it had; times
    are seconds since the epoch.
    """

    id: str
    name: str
    project: str
    instance_name: str
    instance: str
    datastore: str = ""
    version: str = ""
    kind: str = "full"
    parent: str = ""
    origin: str = "manual"
    began: float = 0.0
    finished: float = 0.0
    raw_bytes: int = 0
    stored_bytes: int = 0
    fault: str = ""
    storage: str = ""
    """The name of the one that it is in."""

    @property
    def complete(self) -> bool:
        return self.finished > 0


class StoredArchive(_Data, frozen=True, kw_only=True):
    """A continuous archive as the storage describes it; see ``guest_agent.contract.archive``."""

    project: str
    instance_name: str
    instance: str
    since: float
    until: float
    storage: str = ""


class Record(_Data, frozen=True, kw_only=True):
    """What the journal remembers of an instance: how often it was made, and whether it lived."""

    incarnation: int = 0
    active: bool = False
    deleted: bool = False


class Observed(_Data, frozen=True, kw_only=True):
    """``guests`` maps an instance id to its report, or to None while it does not answer.

    ``records`` are by address (``project/name``).
    """

    cloud: CloudState = CloudState()
    guests: dict[str, Report | None] = {}
    records: dict[str, Record] = {}
    backups: list[StoredBackup] = []
    archives: list[StoredArchive] = []


def encode(observed: Observed) -> bytes:
    return msgspec.json.encode(observed)


def decode(raw: bytes) -> Observed:
    """Raises ValueError for what is not a snapshot."""
    return msgspec.json.decode(raw, type=Observed)
