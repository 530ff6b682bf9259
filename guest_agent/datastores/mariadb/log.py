"""MariaDB's binary log: closed files archived in order, replayed to a second."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from guest_agent.contract.errors import GuestError
from guest_agent.datastores.driver import Logs, Place
from guest_agent.datastores.mariadb.hints import needs, number
from guest_agent.datastores.mariadb.session import OWN_USER, Session
from guest_agent.toolkit.files import give_to, make_folder, write_atomically
from guest_agent.toolkit.processes import reading, writing

_KEPT_SECONDS = 3600
_PIECE = 1 << 20


class MariaDBLog:
    """See ``guest_agent.datastores.driver.Log``.

    *start_alone* starts the server for the agent alone, *stop* ends it.
    """

    def __init__(
        self,
        place: Place,
        session: Callable[[], Session],
        start_alone: Callable[[], None],
        stop: Callable[[], None],
    ) -> None:
        self._place = place
        self._session = session
        self._start_alone = start_alone
        self._stop = stop
        self._last = place.volume / ".gitrove" / "archived.binlog"
        self._rotated: tuple[str, int] | None = None

    def begin(self) -> None:
        with self._session() as session:
            session.run("FLUSH BINARY LOGS")
            self._remember(number(self._files(session)[-1]) - 1)

    def end(self) -> None:
        self._last.unlink(missing_ok=True)
        with self._session() as session:
            session.run(f"SET GLOBAL binlog_expire_logs_seconds = {_KEPT_SECONDS}")

    def rotate(self) -> None:
        with self._session() as session:
            # What is not archived must not expire.
            session.run("SET GLOBAL binlog_expire_logs_seconds = 0")
            if self._written(session) != self._rotated:
                session.run("FLUSH BINARY LOGS")
                self._rotated = self._written(session)

    def closed(self) -> list[Path]:
        last = int(self._last.read_text())
        with self._session() as session:
            files = self._files(session)[:-1]
        waiting = [name for name in files if number(name) > last]
        if waiting and number(waiting[0]) != last + 1:
            raise GuestError(
                f"the binary logs before {waiting[0]} were removed before they were archived; "
                "switch pointInTimeRecovery off and on, and take a full backup"
            )
        folder = self._place.on("binlog") or self._place.data
        return [folder / name for name in waiting]

    def stored(self, path: Path) -> None:
        self._remember(number(path.name))
        with self._session() as session:
            following = next(n for n in self._files(session) if number(n) > number(path.name))
            session.run("PURGE BINARY LOGS TO %s", following)

    def replay(self, logs: Logs, position: dict[str, str], until: float) -> None:
        first = number(position["binlog"])
        wanted = [name for name in logs.names if needs(name, position)]
        if [number(name) for name in wanted] != list(range(first, first + len(wanted))):
            raise GuestError("the archive of the binary log has a gap after the backup")
        if not wanted:
            raise GuestError("the archive has no binary log that follows the backup")
        place = self._place
        folder = make_folder(place.volume / "binlog.scratch", 0o700, place.server_user)
        try:
            for name in wanted:
                with (folder / name).open("wb") as sink:
                    logs.fetch(name, sink)
                give_to(folder / name, place.server_user)
            self._start_alone()
            try:
                paths = [str(folder / name) for name in wanted]
                self._apply(paths, position["binlog_position"], until)
            finally:
                self._stop()
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _apply(self, paths: list[str], position: str, until: float) -> None:
        place = self._place
        access = place.local / "replay.cnf"
        socket = place.runtime / "mysqld.sock"
        lines = ["[client]", f"user={OWN_USER}", f"password={place.secret}", f"socket={socket}", ""]
        write_atomically(access, "\n".join(lines), 0o600, place.server_user)
        stop = datetime.fromtimestamp(until, UTC).strftime("%Y-%m-%d %H:%M:%S")
        read = ["mariadb-binlog", "--no-defaults", "--disable-log-bin", "--verify-binlog-checksum"]
        read += [f"--start-position={position}", f"--stop-datetime={stop}", *paths]
        run = ["mariadb", f"--defaults-file={access}", "--binary-mode"]
        try:
            with (
                writing(run, place.local / "replay.log", place.server_user) as sink,
                reading(
                    read, place.local / "binlog.log", place.server_user, {"TZ": "UTC"}
                ) as source,
            ):
                shutil.copyfileobj(source, sink, _PIECE)
        finally:
            access.unlink(missing_ok=True)

    def _files(self, session: Session) -> list[str]:
        return [str(row[0]) for row in session.rows("SHOW BINARY LOGS")]

    def _written(self, session: Session) -> tuple[str, int]:
        name, position, *_ = session.rows("SHOW MASTER STATUS")[0]
        return str(name), int(position)

    def _remember(self, number: int) -> None:
        write_atomically(self._last, str(number))
