"""What an action does, as frozen data: one type a step, dispatched on by the executors.

A step carries references to secrets and their fingerprints, never a secret.
``STAGE`` orders the steps of one instance, ``RULES`` names the access rules
(ocata-trove-policy) that govern it.
"""

from __future__ import annotations

from enum import IntEnum
from typing import ClassVar

import msgspec


class Stage(IntEnum):
    """Steps of a later stage wait for those of an earlier one, within one instance."""

    FINAL_BACKUP = 0
    TEAR_DOWN_SERVER = 1
    TEAR_DOWN_REST = 2
    GROUPS = 3
    FOUNDATION = 4
    FLOATING = 5
    SERVER = 6
    BOOT = 7
    UPGRADE = 8
    PREPARE = 9
    ARCHIVE = 10
    BACK_UP = 11
    CONFIGURE = 12
    RESTART = 13
    DROP_USERS = 14
    DATABASES = 15
    USERS = 16
    DROP_DATABASES = 17
    DELETE_BACKUPS = 18


class SecretSource(msgspec.Struct, frozen=True, omit_defaults=True, rename="camel"):
    """Where a password comes from: derived (``rotation``), an environment variable, a file."""

    rotation: int = 1
    from_env: str = ""
    from_file: str = ""


class BackupRef(msgspec.Struct, frozen=True, rename="camel"):
    """One backup by its id, the managed id of the instance that it is of, and its storage."""

    id: str
    instance: str
    project: str
    storage: str = ""


class Pieces(msgspec.Struct, frozen=True, omit_defaults=True, rename="camel"):
    """What an instance has, by the cloud's ids."""

    server: str
    volumes: list[str] = []
    ports: list[str] = []
    groups: list[str] = []
    floating: list[str] = []


class Step(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", rename="camel"):
    """``instance`` is the managed id."""

    STAGE: ClassVar[Stage]
    RULES: ClassVar[tuple[str, ...]] = ()

    instance: str


class OfInstance(Step, frozen=True, kw_only=True):
    """A step that makes, or finds, a piece by whose it is; an empty *region* is the first."""

    project: str
    name: str
    region: str = ""


class AllowAccess(OfInstance, frozen=True, kw_only=True, tag=True):
    """Make the security group let *cidrs*, and nobody else, reach the TCP port *database*.

    It is made if it is missing, and guards the port if that is there.
    """

    STAGE = Stage.GROUPS
    RULES = ("instance:update",)
    database: int
    cidrs: list[str]


class DeleteGroup(Step, frozen=True, kw_only=True, tag=True):
    STAGE = Stage.GROUPS
    RULES = ("instance:update",)
    group: str


class AssignFloating(OfInstance, frozen=True, kw_only=True, tag=True):
    """A floating address of the external *network* (by name) for the port."""

    STAGE = Stage.FLOATING
    RULES = ("instance:update",)
    network: str


class ReleaseFloating(Step, frozen=True, kw_only=True, tag=True):
    """Give the floating address with the id *floating* back."""

    STAGE = Stage.GROUPS
    RULES = ("instance:update",)
    floating: str


class CreatePort(OfInstance, frozen=True, kw_only=True, tag=True):
    """An empty *address* is one that the network chooses."""

    STAGE = Stage.FOUNDATION
    RULES = ("instance:create",)
    address: str = ""


class CreateVolume(OfInstance, frozen=True, kw_only=True, tag=True):
    STAGE = Stage.FOUNDATION
    RULES = ("instance:create",)
    size: int
    datastore: str
    volume_type: str = ""
    zone: str = ""
    kind: str = "data"
    image: str = ""
    """The name of what is written to it; of a root disk alone."""


class Adopt(OfInstance, frozen=True, kw_only=True, tag=True):
    """Mark pieces that exist as those of an instance.

    Server and volumes get *marks* beside their identity.
    """

    STAGE = Stage.FOUNDATION
    RULES = ("instance:create",)
    pieces: Pieces
    marks: dict[str, str]


class CreateServer(OfInstance, frozen=True, kw_only=True, tag=True):
    """Make the server around the port and the volume of the same instance.

    Servers with the same *group* stand in one server group, which has *policy*.
    """

    STAGE = Stage.SERVER
    RULES = ("instance:create",)
    flavor: str
    image: str
    datastore: str
    version: str
    rotation: int
    kinds: list[str]
    """Of the volumes, in the order in which they are mounted."""
    zone: str = ""
    group: str = ""
    policy: str = ""


class StartServer(Step, frozen=True, kw_only=True, tag=True):
    STAGE = Stage.BOOT
    RULES = ("instance:restart",)
    server: str


class ResizeServer(Step, frozen=True, kw_only=True, tag=True):
    STAGE = Stage.SERVER
    RULES = ("instance:resize_flavor",)
    server: str
    flavor: str


class UpgradeServer(Step, frozen=True, kw_only=True, tag=True):
    """Rebuild the server from *image* around its volume and port, and upgrade the data.

    newton-instance-upgrade: the guest is asked before and after.
    """

    STAGE = Stage.UPGRADE
    RULES = ("instance:edit",)
    server: str
    datastore: str
    image: str
    version: str
    memory: int
    configuration: dict[str, str]


class RotateKey(Step, frozen=True, kw_only=True, tag=True):
    """Give the guest a new key; the server is marked with *rotation* when the key is in use."""

    STAGE = Stage.CONFIGURE
    RULES = ("instance:update",)
    server: str
    rotation: int


class ExtendVolume(Step, frozen=True, kw_only=True, tag=True):
    STAGE = Stage.FOUNDATION
    RULES = ("instance:resize_volume",)
    volume: str
    size: int


class Mark(Step, frozen=True, kw_only=True, tag=True):
    """Set a mark on the server, which outlives its declaration, or take it away."""

    STAGE = Stage.CONFIGURE
    RULES = ("instance:update",)
    server: str
    mark: str
    on: bool


class DeleteServer(Step, frozen=True, kw_only=True, tag=True):
    STAGE = Stage.TEAR_DOWN_SERVER
    RULES = ("instance:delete",)
    server: str


class DeleteVolume(Step, frozen=True, kw_only=True, tag=True):
    STAGE = Stage.TEAR_DOWN_REST
    RULES = ("instance:delete",)
    volume: str


class DeletePort(Step, frozen=True, kw_only=True, tag=True):
    STAGE = Stage.TEAR_DOWN_REST
    RULES = ("instance:delete",)
    port: str


class Prepare(Step, frozen=True, kw_only=True, tag=True):
    STAGE = Stage.PREPARE
    RULES = ("instance:create",)
    datastore: str
    memory: int
    configuration: dict[str, str]
    restore: list[BackupRef] = []
    """What the data is made from, the full backup first; empty: nothing."""
    until: float = 0.0
    """Seconds since the epoch to which the archive is replayed then; 0: not at all."""


class TakeBackup(Step, frozen=True, kw_only=True, tag=True):
    """``parent`` is the id of the backup that this one follows; empty: it is a full one."""

    STAGE = Stage.BACK_UP
    RULES = ("backup:create",)
    backup: str
    project: str
    instance_name: str
    datastore: str
    name: str
    parent: str = ""
    origin: str = "manual"
    storage: str = ""


class TakeFinalBackup(TakeBackup, frozen=True, kw_only=True, tag=True):
    """The backup without which nothing of the instance is deleted."""

    STAGE = Stage.FINAL_BACKUP


class EnableArchive(Step, frozen=True, kw_only=True, tag=True):
    """Archive the log continuously; ``interval`` in seconds is the most that can be lost."""

    STAGE = Stage.ARCHIVE
    RULES = ("instance:update",)
    project: str
    instance_name: str
    datastore: str
    interval: float


class DisableArchive(Step, frozen=True, kw_only=True, tag=True):
    STAGE = Stage.ARCHIVE
    RULES = ("instance:update",)


class DeleteBackup(Step, frozen=True, kw_only=True, tag=True):
    """``instance`` is that of the instance which was backed up, whether it lives or not."""

    STAGE = Stage.DELETE_BACKUPS
    RULES = ("backup:delete",)
    backup: str
    project: str
    instance_name: str
    datastore: str
    storage: str = ""


class Configure(Step, frozen=True, kw_only=True, tag=True):
    """``defaults``: what parameters return to that are no longer set."""

    STAGE = Stage.CONFIGURE
    RULES = ("instance:configuration",)
    memory: int
    configuration: dict[str, str]
    defaults: dict[str, str]
    group: str = ""
    """The name of the configuration group; empty without one."""


class StartDatabase(Step, frozen=True, kw_only=True, tag=True):
    STAGE = Stage.PREPARE
    RULES = ("instance:restart",)


class RestartDatabase(Step, frozen=True, kw_only=True, tag=True):
    STAGE = Stage.RESTART
    RULES = ("instance:restart",)


class CreateDatabase(Step, frozen=True, kw_only=True, tag=True):
    STAGE = Stage.DATABASES
    RULES = ("instance:extension:database:create",)
    name: str
    character_set: str = ""
    collation: str = ""


class DropDatabase(Step, frozen=True, kw_only=True, tag=True):
    STAGE = Stage.DROP_DATABASES
    RULES = ("instance:extension:database:delete",)
    name: str


class CreateUser(Step, frozen=True, kw_only=True, tag=True):
    STAGE = Stage.USERS
    RULES = ("instance:extension:user:create", "instance:extension:user_access:update")
    name: str
    host: str
    password: SecretSource
    fingerprint: str
    grants: dict[str, list[str]]


class RenameUser(Step, frozen=True, kw_only=True, tag=True):
    STAGE = Stage.DATABASES
    RULES = ("instance:extension:user:update",)
    name: str
    host: str
    new_name: str
    new_host: str
    password: SecretSource
    fingerprint: str


class SetPassword(Step, frozen=True, kw_only=True, tag=True):
    STAGE = Stage.USERS
    RULES = ("instance:extension:user:update_all",)
    name: str
    host: str
    password: SecretSource
    fingerprint: str


class SetGrants(Step, frozen=True, kw_only=True, tag=True):
    STAGE = Stage.USERS
    RULES = ("instance:extension:user_access:update", "instance:extension:user_access:delete")
    name: str
    host: str
    grants: dict[str, list[str]]


class DropUser(Step, frozen=True, kw_only=True, tag=True):
    STAGE = Stage.DROP_USERS
    RULES = ("instance:extension:user:delete",)
    name: str
    host: str


class EnableRoot(Step, frozen=True, kw_only=True, tag=True):
    STAGE = Stage.USERS
    RULES = ("instance:extension:root:create",)
    password: SecretSource
    fingerprint: str


class DisableRoot(Step, frozen=True, kw_only=True, tag=True):
    STAGE = Stage.USERS
    RULES = ("instance:extension:root:delete",)


AnyStep = (
    Adopt | AllowAccess | DeleteGroup | CreatePort | CreateVolume | CreateServer | StartServer
    | ResizeServer | ExtendVolume | Mark | DeleteServer | DeleteVolume | DeletePort
    | Prepare | Configure | StartDatabase | RestartDatabase | CreateDatabase | DropDatabase
    | CreateUser | RenameUser | SetPassword | SetGrants | DropUser | EnableRoot
    | DisableRoot | TakeBackup | DeleteBackup | TakeFinalBackup | EnableArchive
    | DisableArchive | RotateKey | UpgradeServer | AssignFloating | ReleaseFloating
)  # fmt: skip
