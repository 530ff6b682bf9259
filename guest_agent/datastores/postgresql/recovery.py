"""PostgreSQL's restored data made ready: write-ahead log replayed, the agent's password set."""

from __future__ import annotations

import shutil
import signal
from collections.abc import Callable
from datetime import UTC, datetime

import psycopg2

from guest_agent.contract.errors import GuestError
from guest_agent.datastores.driver import Place
from guest_agent.datastores.postgresql.programs import program
from guest_agent.datastores.postgresql.session import OWN_USER, Session, connect
from guest_agent.toolkit.configuration import ConfigurationFiles
from guest_agent.toolkit.files import make_folder, write_atomically
from guest_agent.toolkit.processes import ServerProcess

_TRUSTED = "local all os_admin trust\n"
_START_SECONDS = 120.0
_RECOVERY_SECONDS = 24 * 3600.0
_NOT_REACHED = "recovery ended before configured recovery target was reached"


class Recovery:
    """``segments`` is the folder of those that follow the restored base backup."""

    def __init__(self, place: Place, files: ConfigurationFiles, process: ServerProcess) -> None:
        self._place = place
        self._files = files
        self._process = process
        self.segments = place.volume / "wal.scratch"

    def begin(self) -> None:
        """Make an empty folder for segments."""
        self.discard()
        make_folder(self.segments, 0o700, self._place.server_user)

    def discard(self) -> None:
        shutil.rmtree(self.segments, ignore_errors=True)

    def settle(self) -> None:
        """Replay all segments that there are, and set the agent's password."""
        if self._holds_segments():
            self._promoted(self._options())
        else:
            self._run_privately([], _answers, _START_SECONDS)
        self.discard()

    def to_time(self, until: float) -> None:
        """Replay to *until*, in seconds since the epoch, and not further."""
        target = datetime.fromtimestamp(until, UTC).strftime("%Y-%m-%d %H:%M:%S.%f+00")
        try:
            self._promoted([*self._options(), f"recovery_target_time={target}"])
        except GuestError as error:
            if _NOT_REACHED not in error.details:
                raise
            # Nothing was committed after that time in the whole archive: all of it is wanted.
            self._promoted(self._options())
        self.discard()

    def _holds_segments(self) -> bool:
        return self.segments.exists() and any(self.segments.iterdir())

    def _options(self) -> list[str]:
        return [
            f'restore_command=cp "{self.segments}/%f" "%p"',
            "recovery_target_action=promote",
        ]

    def _promoted(self, options: list[str]) -> None:
        write_atomically(self._place.data / "recovery.signal", "", 0o600, self._place.server_user)

        def promoted(session: Session) -> bool:
            return not session.rows("SELECT pg_is_in_recovery()")[0][0]

        self._run_privately(options, promoted, _RECOVERY_SECONDS)

    def _run_privately(
        self, options: list[str], ready: Callable[[Session], bool], deadline: float
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

        try:
            self._process.start_until(
                lambda: holds(ready, self._session), command, place.server_user, deadline
            )
            with self._session() as session:
                session.run(f"ALTER ROLE {OWN_USER} LOGIN SUPERUSER PASSWORD %s", place.secret)
        finally:
            self._process.stop(signal.SIGINT)
            access.unlink(missing_ok=True)

    def _session(self) -> Session:
        return connect(str(self._place.runtime), self._place.port, "", "postgres")


def answers(connect: Callable[[], Session]) -> bool:
    """Whether a session can be had and a statement be run."""
    return holds(_answers, connect)


def holds(condition: Callable[[Session], bool], connect: Callable[[], Session]) -> bool:
    """Whether a session can be had in which *condition* holds; the server may end meanwhile."""
    try:
        with connect() as session:
            return condition(session)
    except (GuestError, psycopg2.OperationalError):
        return False


def _answers(session: Session) -> bool:
    return bool(session.rows("SELECT 1"))
