"""What a guest says of itself, in one document per poll.

Every field has a default, so that a report of an older or newer agent can be
read. No value in a report is a secret: passwords appear as the fingerprint that
the control plane handed over when it set them.
"""

from __future__ import annotations

from dataclasses import dataclass, field

NEW = "new"
"""Nothing was prepared yet."""
PREPARING = "preparing"
RUNNING = "running"
STOPPED = "stopped"
FAILED = "failed"
"""Prepare ended with an error; ``Report.fault`` says which."""


@dataclass(frozen=True, slots=True)
class Database:
    """A database on the server; ``managed`` if it was made through gitrove."""

    name: str
    managed: bool = False
    character_set: str = ""
    collation: str = ""


@dataclass(frozen=True, slots=True)
class User:
    """A user on the server, with its grants: object (a database, or ``*``) to privileges."""

    name: str
    host: str = ""
    managed: bool = False
    grants: dict[str, list[str]] = field(default_factory=dict)
    fingerprint: str = ""
    password_drifted: bool = False
    grants_drifted: bool = False


@dataclass(frozen=True, slots=True)
class Root:
    """The administrator's login that a user may enable, and whether it ever was."""

    enabled: bool = False
    ever_enabled: bool = False
    fingerprint: str = ""
    password_drifted: bool = False


@dataclass(frozen=True, slots=True)
class Configuration:
    """Overrides as they stand in the file and as the server has them in effect.

    ``base_drifted`` says that the part rendered from the template was edited;
    ``memory_mib`` is the memory that it was rendered for; ``file_drifted`` that the
    overrides were. ``restart_required`` names what waits for a restart. Where the server adjusts
    a value that it accepts, ``in_effect`` gives the value as it was written.
    """

    file: dict[str, str] = field(default_factory=dict)
    in_effect: dict[str, str] = field(default_factory=dict)
    restart_required: list[str] = field(default_factory=list)
    base_drifted: bool = False
    file_drifted: bool = False
    memory_mib: int = 0


@dataclass(frozen=True, slots=True)
class Archive:
    """The continuous archive: what was committed between ``since`` and ``until`` is in it.

    Seconds, since the epoch where they are times; ``fault`` says why it does not go on.
    ``renew``: its access to the storage ends soon.
    """

    enabled: bool = False
    interval: float = 0.0
    since: float = 0.0
    until: float = 0.0
    fault: str = ""
    renew: bool = False


@dataclass(frozen=True, slots=True)
class Report:
    """One guest's whole report. ``volume_used`` is in bytes; ``busy`` names a running method."""

    instance: str
    datastore: str = ""
    version: str = ""
    status: str = NEW
    prepared: bool = False
    fault: str = ""
    busy: str = ""
    databases: list[Database] = field(default_factory=list)
    users: list[User] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    """What was made through gitrove and is gone: ``database NAME``, ``user NAME@HOST``."""
    root: Root = field(default_factory=Root)
    configuration: Configuration = field(default_factory=Configuration)
    backup: str = ""
    """The id of the backup that runs."""
    backup_read: int = 0
    """Bytes that it has read so far."""
    archive: Archive = field(default_factory=Archive)
    upgrades_from: str = ""
    """The version line of data that waits to be upgraded to the installed one."""
    volume_used: int = 0
    agent_version: str = ""
    message_version: int = 1
