"""What a driver does for the agent: the primitives of one database server.

The agent adds what all datastores share: prepare marks, the ledger of what is
managed, taking back a configuration that the server refuses. Every method may
be repeated; creating what exists and dropping what is gone succeed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Protocol

from guest_agent.contract.errors import GuestError
from guest_agent.toolkit.configuration import ConfigurationFiles
from guest_agent.toolkit.files import make_folder
from guest_agent.toolkit.processes import ServerProcess

HAND_OVER_SECONDS = 24 * 3600.0
"""A server that hands its data over is never killed: it is waited for."""


@dataclass(frozen=True)
class Place:
    """Where one instance lives: its address, its folders, and who runs the server.

    ``volume`` is the mounted data volume and travels with the data; ``local``
    belongs to the server and is rebuilt with it; ``further`` are the mounted volumes
    of other kinds than data. ``secret`` is the password of
    the agent's own login. An empty ``server_user`` means the agent's own user.
    """

    instance: str
    address: str
    port: int
    volume: Path
    local: Path
    secret: str
    server_user: str = ""
    further: Mapping[str, Path] = field(default_factory=dict)

    @property
    def data(self) -> Path:
        return self.volume / "data"

    @property
    def runtime(self) -> Path:
        """Sockets and scratch files; the server's user owns it."""
        return self.local / "runtime"

    @property
    def user_log(self) -> Path:
        """Where the server's own log is, on a volume for that where there is one."""
        return self.further.get("user_log", self.local)

    @property
    def query_logs(self) -> Path:
        """Logs that the server's user writes itself."""
        return self.user_log / "queries"

    def server_process(self) -> ServerProcess:
        return ServerProcess(self.local / "database.process", self.user_log / "database.log")

    def on(self, kind: str) -> Path | None:
        """A folder of the server's user on the volume of this kind; None where there is none."""
        return self.further[kind] / kind if kind in self.further else None

    def make_folders(self) -> None:
        """The folders that the server's user needs, with nothing open to others."""
        for kind, volume in self.further.items():
            make_folder(volume, 0o711)
            make_folder(volume / kind, 0o700, self.server_user)
        make_folder(self.query_logs, 0o700, self.server_user)
        make_folder(self.volume, 0o711, self.server_user)
        make_folder(self.data, 0o700, self.server_user)
        make_folder(self.runtime, 0o700, self.server_user)


@dataclass(frozen=True)
class Account:
    """A login as the server has it; ``verifier`` is the server's own digest of the password."""

    name: str
    host: str
    grants: dict[str, list[str]]
    verifier: str


@dataclass(frozen=True)
class Schema:
    """A database as the server has it."""

    name: str
    character_set: str = ""
    collation: str = ""


class NothingToFollow(GuestError):
    """The server no longer has what came after that position; only a full dump is possible."""


@dataclass
class Dump:
    """A running dump. ``position`` is set when all of ``stream`` was read and the dump ended."""

    stream: IO[bytes]
    position: dict[str, str] = field(default_factory=dict)


Part = Callable[[IO[bytes]], None]
"""Writes all of one stored dump into a sink."""


class Backups(Protocol):
    """How one datastore's data is taken out while it runs, and put back where there is none."""

    def dump(self, after: dict[str, str]) -> AbstractContextManager[Dump]:
        """A dump of everything, or of what came *after* the position of an earlier one.

        Raises NothingToFollow before anything of the dump was read.
        """

    def restore(self, parts: list[Part]) -> None:
        """Make the data directory from a full dump and the incremental ones that follow it."""

    def settle(self) -> None:
        """Make restored data ready to be started: the agent's own login is the present one."""


@dataclass(frozen=True)
class Logs:
    """Files of an archive, in order, and how one of them is written into a sink."""

    names: list[str]
    fetch: Callable[[str, IO[bytes]], None]


class Log(Protocol):
    """The log of one datastore's changes, as it is archived and replayed."""

    def begin(self) -> None:
        """Keep every file of the log, from now on, until it is ``stored``."""

    def end(self) -> None:
        """Keep none any more."""

    def rotate(self) -> None:
        """Close the file that is written, if there is anything new in it."""

    def closed(self) -> list[Path]:
        """The closed files that are not stored yet, the oldest first."""

    def stored(self, path: Path) -> None:
        """The file is safe elsewhere and may go."""

    def replay(self, logs: Logs, position: dict[str, str], until: float) -> None:
        """Bring restored data from a backup's *position* to the time *until*, not further."""


class Driver(Protocol):
    """The primitives. All raise GuestError, or TryLater while the server cannot answer."""

    files: ConfigurationFiles
    process: ServerProcess
    backups: Backups
    log: Log | None

    def initialise(self) -> None:
        """Make an empty data directory; called only where there is none, or an unfinished one."""

    def start(self) -> None:
        """Start the server and wait until it answers."""

    def stop(self) -> None: ...

    def hand_over(self) -> None:
        """Stop a running server, however long that takes, for another version to go on."""

    def line(self) -> str:
        """The installed version as far as data depends on it: ``10.11``, ``15``."""
        ...

    def upgrade(self, line: str) -> None:
        """Make the data that *line* handed over that of the installed version, and start it."""

    def answers(self) -> bool:
        """Whether the server answers the agent's own login."""

    def version(self) -> str: ...

    def render(self, memory_mib: int) -> str:
        """The base configuration for an instance with that much memory."""

    def effective(self, names: list[str]) -> dict[str, str]:
        """The values in effect of the parameters in *names*; unknown names are left out."""

    def apply_live(self, values: dict[str, str]) -> list[str]:
        """Make what can change in the running server take effect, and name it."""
        ...

    def schemas(self) -> list[Schema]:
        """The databases, without the server's own."""

    def create_schema(self, schema: Schema) -> None: ...

    def drop_schema(self, name: str) -> None: ...

    def accounts(self) -> list[Account]:
        """The logins, without the server's own, the agent's own and root."""

    def create_account(self, name: str, host: str, password: str) -> None: ...

    def drop_account(self, name: str, host: str) -> None: ...

    def rename_account(self, name: str, host: str, new_name: str, new_host: str) -> None: ...

    def set_password(self, name: str, host: str, password: str) -> None: ...

    def set_grants(self, name: str, host: str, grants: dict[str, list[str]]) -> None:
        """Make *grants* exactly what the login has."""

    def root(self) -> Account | None:
        """The administrator's login, if it is enabled."""

    def enable_root(self, password: str) -> None: ...

    def disable_root(self) -> None: ...
