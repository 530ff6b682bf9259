"""Redis's data taken out with BGSAVE and put back, with or without an append-only file.

The steps are those of liberty-redis-backup-restore. The users' ACL file goes
with the data, since Redis keeps no users in it.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from guest_agent.contract.errors import GuestError, Refused
from guest_agent.datastores.driver import Dump, Part, Place
from guest_agent.toolkit.files import make_folder, write_atomically
from guest_agent.toolkit.processes import reading, wait_until, writing

_SAVE_SECONDS = 3600.0

Call = Callable[..., Any]


class RedisBackups:
    """See ``guest_agent.datastores.driver.Backups``.

    *call* runs a command with the agent's own login, *own_user* is the ACL line
    of that login, *start* starts the server with further arguments and *stop*
    ends it.
    """

    def __init__(
        self,
        place: Place,
        call: Call,
        own_user: str,
        start: Callable[..., None],
        stop: Callable[[], None],
    ) -> None:
        self._place = place
        self._call = call
        self._own_user = own_user
        self._start = start
        self._stop = stop

    @contextmanager
    def dump(self, after: dict[str, str]) -> Iterator[Dump]:
        if after:
            raise Refused("Redis has no incremental dumps")
        place = self._place
        folder = place.volume / "dump.scratch"
        shutil.rmtree(folder, ignore_errors=True)
        make_folder(folder, 0o700, place.server_user)
        try:
            self._save()
            # Under a name of its own, a later save of the server does not touch it.
            os.link(place.data / "dump.rdb", folder / "dump.rdb")
            shutil.copy2(place.data / "users.acl", folder / "users.acl")
            command = ["tar", "-c", "-f", "-", "-C", str(folder), "dump.rdb", "users.acl"]
            with reading(command, place.local / "backup.log") as stream:
                yield Dump(stream)
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _save(self) -> None:
        before = self._call("LASTSAVE")
        # Saves are told apart by the second in which they end.
        time.sleep(max(0.0, 1.0 - (time.time() - before.timestamp())))
        self._call("BGSAVE", "SCHEDULE")

        def saved() -> bool:
            return bool(self._call("LASTSAVE") != before)

        def failed() -> bool:
            info = self._call("INFO", "persistence")
            return not info["rdb_bgsave_in_progress"] and info["rdb_last_bgsave_status"] != "ok"

        if not wait_until(lambda: saved() or failed(), _SAVE_SECONDS) or not saved():
            raise GuestError("the server could not save its data; its log says why")

    def restore(self, parts: list[Part]) -> None:
        place = self._place
        place.make_folders()
        (full,) = parts
        command = ["tar", "-x", "--no-same-owner", "-f", "-", "-C", str(place.data)]
        with writing(command, place.local / "restore.log", place.server_user) as sink:
            full(sink)
        users = (place.data / "users.acl").read_text().splitlines()
        own = self._own_user.split(" ")[1]
        kept = [line for line in users if line.split(" ")[1:2] != [own]]
        text = "\n".join([*kept, self._own_user, ""])
        write_atomically(place.data / "users.acl", text, 0o600, place.server_user)

    def settle(self) -> None:
        """A server that starts with an append-only file never looks at the dump: make it first."""
        self._start("--appendonly", "no")
        try:
            self._call("CONFIG SET", "appendonly", "yes")

            def written() -> bool:
                info = self._call("INFO", "persistence")
                return not (info["aof_rewrite_in_progress"] or info["aof_rewrite_scheduled"])

            if not wait_until(written, _SAVE_SECONDS):
                raise GuestError("the server did not write its append-only file")
            if self._call("INFO", "persistence")["aof_last_bgrewrite_status"] != "ok":
                raise GuestError("the server could not write its append-only file")
        finally:
            self._stop()
