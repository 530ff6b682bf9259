"""PostgreSQL's data taken out with pg_basebackup and put back."""

from __future__ import annotations

import re
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from guest_agent.contract.errors import GuestError, Refused
from guest_agent.datastores.driver import Dump, Part, Place
from guest_agent.datastores.postgresql.programs import program
from guest_agent.datastores.postgresql.session import OWN_USER, Session, connect
from guest_agent.toolkit.configuration import ConfigurationFiles
from guest_agent.toolkit.files import write_atomically
from guest_agent.toolkit.processes import ServerProcess, reading, writing

_POINT = re.compile(r"write-ahead log (start|end) point: (\S+)(?: on timeline (\d+))?")
_TRUSTED = "local all os_admin trust\n"


class PostgreSQLBackups:
    """See ``guest_agent.datastores.driver.Backups``.

    A position has ``start`` and ``end``, the first and last LSN of a dump, and ``timeline``.
    """

    def __init__(self, place: Place, files: ConfigurationFiles, process: ServerProcess) -> None:
        self._place = place
        self._files = files
        self._process = process

    @contextmanager
    def dump(self, after: dict[str, str]) -> Iterator[Dump]:
        if after:
            raise Refused("PostgreSQL has no incremental dumps before version 17")
        place = self._place
        access = place.local / "backup.pgpass"
        write_atomically(access, f"*:*:*:{OWN_USER}:{place.secret}\n", 0o600, place.server_user)
        log = place.local / "backup.log"
        command = [program("pg_basebackup"), "-h", str(place.runtime), "-p", str(place.port)]
        command += ["-U", OWN_USER, "-w", "-D", "-", "-F", "tar", "-X", "fetch", "-v"]
        command += ["--checkpoint=fast", "--no-manifest"]
        environment = {"PGPASSFILE": str(access), "LC_ALL": "C"}
        try:
            with reading(command, log, place.server_user, environment) as stream:
                dump = Dump(stream)
                yield dump
        finally:
            access.unlink(missing_ok=True)
        dump.position = _position(log.read_text(errors="replace"))

    def restore(self, parts: list[Part]) -> None:
        place = self._place
        place.make_folders()
        (full,) = parts
        with writing(
            ["tar", "-x", "-f", "-", "-C", str(place.data)],
            place.local / "restore.log",
            place.server_user,
        ) as sink:
            full(sink)

    def settle(self) -> None:
        self.run_privately([], lambda _session: True)

    def run_privately(
        self, options: list[str], ready: Callable[[Session], bool], deadline: float = 120.0
    ) -> None:
        """Run the server for the agent alone until *ready*, set the agent's password, stop it.

        *options* are ``name=value`` parameters. Raises GuestError with the server's log.
        """
        place = self._place
        access = place.local / "pg_hba.restore.conf"
        write_atomically(access, _TRUSTED, 0o600, place.server_user)
        command = [program("postgres"), "-c", f"config_file={self._files.base}"]
        command += ["-c", f"hba_file={access}", "-c", "listen_addresses="]
        command += [word for option in options for word in ("-c", option)]

        def answers_and_ready() -> bool:
            if not answers(self._session):
                return False
            with self._session() as session:
                return ready(session)

        try:
            self._process.start_until(answers_and_ready, command, place.server_user, deadline)
            with self._session() as session:
                session.run(f"ALTER ROLE {OWN_USER} LOGIN SUPERUSER PASSWORD %s", place.secret)
        finally:
            self._process.stop(signal.SIGINT)
            access.unlink(missing_ok=True)

    def _session(self) -> Session:
        return connect(str(self._place.runtime), self._place.port, "", "postgres")


def answers(connect: Callable[[], Session]) -> bool:
    """Whether a session can be had and a statement be run."""
    import psycopg2

    try:
        with connect() as session:
            return bool(session.rows("SELECT 1"))
    except (GuestError, psycopg2.OperationalError):
        return False


def _position(log: str) -> dict[str, str]:
    position: dict[str, str] = {}
    for which, point, timeline in _POINT.findall(log):
        position[which] = point
        if timeline:
            position["timeline"] = timeline
    return position
