"""PostgreSQL's data of an older major version, made that of the installed programs by pg_upgrade.

``data`` is the old directory until the new one, complete, takes its place: it
can be interrupted anywhere and begun again. Files are linked, not copied
(``pg_upgrade --link``): what that shares with the old directory is changed only
once a server runs on the new one.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from guest_agent.contract.errors import GuestError, TryLater
from guest_agent.datastores.driver import Place
from guest_agent.datastores.postgresql.programs import bin_folder, installed_line, program
from guest_agent.datastores.postgresql.session import OWN_USER
from guest_agent.toolkit.files import make_folder
from guest_agent.toolkit.processes import run

_SECONDS = 24 * 3600.0
_TOLD = 2000


def upgrade(place: Place, line: str, initialise: Callable[[Path], None]) -> None:
    """Make the data of the major version *line* that of the programs. Raises GuestError.

    *initialise* makes an empty data directory.
    """
    fresh, old = place.volume / "data.new", place.volume / "data.old"
    with _alone(place.volume / "upgrade.lock") as lock:
        if not place.data.exists() and fresh.exists():
            fresh.rename(place.data)
        if _line_of_data(place.data) != installed_line():
            shutil.rmtree(fresh, ignore_errors=True)
            enable_again(place.data)
            make_folder(fresh, 0o700, place.server_user)
            initialise(fresh)
            _pg_upgrade(place, line, fresh, lock)
            shutil.rmtree(old, ignore_errors=True)
            place.data.rename(old)
            fresh.rename(place.data)
            _flush(place.volume)
        shutil.rmtree(old, ignore_errors=True)


def analyze(place: Place) -> None:
    """Gather the statistics that an upgrade leaves behind, the roughest first."""
    command = [program("vacuumdb"), "--all", "--analyze-in-stages"]
    command += ["-h", str(place.runtime), "-p", str(place.port), "-U", OWN_USER]
    run(command, place.server_user, _SECONDS, {"PGPASSWORD": place.secret})


def _line_of_data(data: Path) -> str:
    return (data / "PG_VERSION").read_text().strip()


def enable_again(data: Path) -> None:
    """Undo that pg_upgrade, which ended half way, hid the control file of what it linked."""
    hidden = data / "global" / "pg_control.old"
    if hidden.exists():
        hidden.rename(data / "global" / "pg_control")


@contextmanager
def _alone(path: Path) -> Iterator[int]:
    """A lock that goes with pg_upgrade, which outlives an agent that is killed. Raises TryLater."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield descriptor
    except BlockingIOError:
        raise TryLater("an earlier attempt at the upgrade is still running") from None
    finally:
        os.close(descriptor)


def _pg_upgrade(place: Place, line: str, fresh: Path, lock: int) -> None:
    command = [program("pg_upgrade"), "--link", "-U", OWN_USER]
    command += ["-b", str(bin_folder(line)), "-B", str(bin_folder())]
    command += ["-d", str(place.data), "-D", str(fresh), "-s", str(place.runtime)]
    # It leaves scripts in the working directory.
    make_folder(place.runtime, 0o700, place.server_user)
    scratch = make_folder(place.runtime / "upgrade", 0o700, place.server_user)
    try:
        secret = {"PGPASSWORD": place.secret}
        run(command, place.server_user, _SECONDS, secret, scratch, [lock])
    except GuestError as error:
        logs = sorted(fresh.glob("pg_upgrade_output.d/*/log/*.log"))
        told = [path.read_text(errors="replace")[-_TOLD:] for path in logs]
        raise GuestError(error.message, "\n".join([error.details, *told])) from None
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _flush(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
