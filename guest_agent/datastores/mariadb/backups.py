"""MariaDB's data taken out with mariadb-backup, full or after an LSN, and put back."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from guest_agent.contract.errors import GuestError
from guest_agent.datastores.driver import Dump, NothingToFollow, Part, Place
from guest_agent.datastores.mariadb.session import OWN_USER
from guest_agent.toolkit.files import make_folder, write_atomically
from guest_agent.toolkit.processes import reading, run, writing
from guest_agent.toolkit.programs import line_of, program

_TOOL = "mariadb-backup"
_BINLOG = re.compile(r"filename '([^']+)', position '(\d+)'")


class MariaDBBackups:
    """See ``guest_agent.datastores.driver.Backups``.

    A position has ``lsn``, after which an incremental dump begins, ``binlog`` and
    ``binlog_position``, at which the dump's data stands, and the version's ``line``:
    no version prepares a dump that another one took.
    *keep_login* makes the next start of the server set the agent's own login.
    """

    def __init__(self, place: Place, keep_login: Callable[[], None]) -> None:
        self._place = place
        self._keep_login = keep_login

    @contextmanager
    def dump(self, after: dict[str, str]) -> Iterator[Dump]:
        place, line = self._place, line_of(program("mariadbd"), 2)
        if after.get("line", line) != line:
            raise NothingToFollow(f"the backup before is of version {after['line']}")
        with self._scratch("dump") as scratch:
            access = scratch / "access.cnf"
            socket = place.runtime / "mysqld.sock"
            lines = ["[mariadb-backup]", f"user={OWN_USER}", f"password={place.secret}"]
            lines += [f"socket={socket}", f"datadir={place.data}", ""]
            write_atomically(access, "\n".join(lines), 0o600, place.server_user)
            command = [_TOOL, f"--defaults-file={access}", "--backup", "--stream=mbstream"]
            command += [f"--target-dir={scratch}", f"--extra-lsndir={scratch}"]
            command.append(f"--tmpdir={scratch}")
            if after:
                command.append(f"--incremental-lsn={after['lsn']}")
            with reading(command, place.local / "backup.log", place.server_user) as stream:
                dump = Dump(stream)
                yield dump
            dump.position = _position(scratch) | {"line": line}

    def restore(self, parts: list[Part]) -> None:
        place = self._place
        place.make_folders()
        for number, part in enumerate(parts):
            prepare = [_TOOL, "--no-defaults", "--prepare", f"--target-dir={place.data}"]
            prepare.append(f"--tmpdir={place.runtime}")
            if number == 0:
                self._unpack(part, place.data)
                run(prepare, place.server_user)
                continue
            with self._scratch("increment") as folder:
                self._unpack(part, folder)
                run([*prepare, f"--incremental-dir={folder}"], place.server_user)

    def settle(self) -> None:
        self._keep_login()

    def _unpack(self, part: Part, folder: Path) -> None:
        command = ["mbstream", "-x", "-C", str(folder)]
        with writing(command, self._place.local / "restore.log", self._place.server_user) as sink:
            part(sink)

    @contextmanager
    def _scratch(self, name: str) -> Iterator[Path]:
        """An empty folder on the data volume, where there is room."""
        folder = self._place.volume / f"{name}.scratch"
        shutil.rmtree(folder, ignore_errors=True)
        try:
            yield make_folder(folder, 0o700, self._place.server_user)
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def _position(folder: Path) -> dict[str, str]:
    checkpoints = _pairs(folder / "xtrabackup_checkpoints")
    position = {"lsn": checkpoints["to_lsn"]}
    found = _BINLOG.search(_pairs(folder / "xtrabackup_info").get("binlog_pos", ""))
    if found:
        position |= {"binlog": found[1], "binlog_position": found[2]}
    return position


def _pairs(path: Path) -> dict[str, str]:
    try:
        lines = path.read_text().splitlines()
    except OSError as error:
        raise GuestError(f"{_TOOL} left no {path.name}: {error.strerror}") from None
    return {key.strip(): value.strip() for key, _, value in (line.partition("=") for line in lines)}
