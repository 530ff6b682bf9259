"""PostgreSQL's WAL: archived in two stages (mitaka-pgsql-incremental-backup), replayed to a time.

``archive_command`` copies each closed segment into a spool on the data volume,
while there is one; the agent takes it from there.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

from guest_agent.contract.errors import TryLater
from guest_agent.datastores.driver import Logs, Place
from guest_agent.datastores.postgresql.hints import needs
from guest_agent.datastores.postgresql.recovery import Recovery
from guest_agent.datastores.postgresql.session import Session
from guest_agent.toolkit.files import give_to, make_folder
from guest_agent.toolkit.processes import wait_until

_SPOOL_SECONDS = 60


def spool(place: Place) -> Path:
    return place.volume / "wal.spool"


def archive_command(place: Place) -> str:
    """Copies a segment whole or not at all; without a spool nothing is archived."""
    to = spool(place)
    copy = f'cp "%p" "{to}/.%f" && sync "{to}/.%f" && mv "{to}/.%f" "{to}/%f"'
    return f'test ! -d "{to}" || test -f "{to}/%f" || ( {copy} )'


class PostgreSQLLog:
    """See ``guest_agent.datastores.driver.Log``."""

    def __init__(self, place: Place, session: Callable[[], Session], recovery: Recovery) -> None:
        self._place = place
        self._session = session
        self._recovery = recovery

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
        for name in logs.names:
            if needs(name, position):
                path = self._recovery.segments / name
                with path.open("wb") as sink:
                    logs.fetch(name, sink)
                give_to(path, self._place.server_user)
        self._recovery.to_time(until)
