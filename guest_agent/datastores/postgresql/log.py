"""PostgreSQL's WAL: archived in two stages (mitaka-pgsql-incremental-backup), replayed to a time.

``archive_command`` copies each closed segment into a spool on the data volume,
while there is one; the agent takes it from there.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

from guest_agent.contract.errors import GuestError, TryLater
from guest_agent.datastores.driver import Logs, Place
from guest_agent.datastores.postgresql.backups import PostgreSQLBackups
from guest_agent.datastores.postgresql.session import Session
from guest_agent.toolkit.files import give_to, make_folder, write_atomically
from guest_agent.toolkit.processes import wait_until

_SPOOL_SECONDS = 60
_RECOVERY_SECONDS = 24 * 3600.0
_NOT_REACHED = "recovery ended before configured recovery target was reached"


def spool(place: Place) -> Path:
    return place.volume / "wal.spool"


def archive_command(place: Place) -> str:
    """Copies a segment whole or not at all; without a spool nothing is archived."""
    to = spool(place)
    copy = f'cp "%p" "{to}/.%f" && sync "{to}/.%f" && mv "{to}/.%f" "{to}/%f"'
    return f'test ! -d "{to}" || test -f "{to}/%f" || ( {copy} )'


class PostgreSQLLog:
    """See ``guest_agent.datastores.driver.Log``."""

    def __init__(
        self, place: Place, session: Callable[[], Session], backups: PostgreSQLBackups
    ) -> None:
        self._place = place
        self._session = session
        self._backups = backups

    def begin(self) -> None:
        make_folder(spool(self._place), 0o700, self._place.server_user)

    def end(self) -> None:
        shutil.rmtree(spool(self._place), ignore_errors=True)

    def rotate(self) -> None:
        with self._session() as session:
            session.run("SELECT pg_switch_wal()")
            waiting = "SELECT count(*) FROM pg_ls_archive_statusdir() WHERE name LIKE '%.ready'"
            if not wait_until(lambda: session.rows(waiting)[0][0] == 0, _SPOOL_SECONDS):
                raise TryLater("the server has not copied its write-ahead log")

    def closed(self) -> list[Path]:
        return sorted(p for p in spool(self._place).iterdir() if not p.name.startswith("."))

    def stored(self, path: Path) -> None:
        path.unlink()

    def replay(self, logs: Logs, position: dict[str, str], until: float) -> None:
        place = self._place
        folder = make_folder(place.volume / "wal.scratch", 0o700, place.server_user)
        try:
            first = _segment(position["start"])
            for name in logs.names:
                if name.endswith(".history") or name[8:24] >= first:
                    path = folder / name
                    with path.open("wb") as sink:
                        logs.fetch(name, sink)
                    give_to(path, place.server_user)
            self._recover(folder, until)
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _recover(self, folder: Path, until: float) -> None:
        options = [
            f'restore_command=cp "{folder}/%f" "%p"',
            "recovery_target_action=promote",
        ]
        try:
            self._promoted([*options, f"recovery_target_time={_utc(until)}"])
        except GuestError as error:
            if _NOT_REACHED not in error.details:
                raise
            # Nothing was committed after that time in the whole archive: all of it is wanted.
            self._promoted(options)

    def _promoted(self, options: list[str]) -> None:
        write_atomically(self._place.data / "recovery.signal", "", 0o600, self._place.server_user)

        def promoted(session: Session) -> bool:
            return not session.rows("SELECT pg_is_in_recovery()")[0][0]

        self._backups.run_privately(options, promoted, _RECOVERY_SECONDS)


def _segment(lsn: str) -> str:
    """The name, without its timeline, of the 16 MiB segment that holds *lsn*."""
    high, low = (int(part, 16) for part in lsn.split("/"))
    return f"{high:08X}{low >> 24:08X}"


def _utc(seconds: float) -> str:
    from datetime import UTC, datetime

    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S.%f+00")
