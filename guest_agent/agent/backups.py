"""Backups in the guest: one at a time, in a thread of its own; and the data of one put back."""

from __future__ import annotations

import base64
import contextlib
import json
import logging
import os
import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import IO, Any

from guest_agent.contract import backup as contract
from guest_agent.contract.archive import Archive
from guest_agent.contract.backup import Backup, Progress
from guest_agent.contract.errors import GuestError, Refused, TryLater
from guest_agent.datastores.driver import Backups, Driver, Logs, NothingToFollow, Part
from guest_agent.toolkit import sealed_stream, stored_logs
from guest_agent.toolkit.storage import Missing, Storage, open_storage

log = logging.getLogger("guest_agent")

_NICENESS = 10


class _Cancelled(GuestError):
    """Somebody asked that the backup end, or deleted it."""


@dataclass(frozen=True)
class Link:
    """One backup of a chain that is restored, with its data key."""

    backup: Backup
    key: bytes


@dataclass(frozen=True)
class Point:
    """A time (seconds since the epoch) to which an archive is replayed: its data key, its files."""

    archive: Archive
    key: bytes
    until: float
    names: list[str]


@dataclass(frozen=True)
class Restore:
    """What an instance is made from, as ``prepare`` is told it."""

    chain: list[Link]
    storage: Storage
    point: Point | None


class BackupRunner:
    """Takes the backups of one instance, one at a time."""

    def __init__(self, backups: Backups) -> None:
        self._backups = backups
        self._progress: Progress | None = None
        self._changing = threading.Lock()
        self._cancelled = threading.Event()

    @property
    def progress(self) -> Progress | None:
        """The backup that runs, or ran last, since the agent started."""
        return self._progress

    @property
    def running(self) -> str:
        """The id of the backup that runs, or nothing."""
        progress = self._progress
        return progress.id if progress and progress.state == contract.RUNNING else ""

    @property
    def read(self) -> int:
        """How many bytes the backup that runs has read so far."""
        progress = self._progress
        return progress.raw_bytes if progress and progress.state == contract.RUNNING else 0

    def begin(self, backup: Backup, after: dict[str, str], key: bytes, storage: Storage) -> None:
        """Begin *backup*; one with the same id that runs already is left to run."""
        with self._changing:
            if self.running == backup.id:
                return
            if self.running:
                raise TryLater(f"the backup {self.running} is running")
            self._cancelled.clear()
            self._progress = Progress(backup.id, contract.RUNNING)
        work = threading.Thread(target=self._run, args=(backup, after, key, storage), daemon=True)
        work.start()

    def cancel(self, identifier: str) -> None:
        if self.running == identifier:
            self._cancelled.set()

    def _run(self, backup: Backup, after: dict[str, str], key: bytes, storage: Storage) -> None:
        noted = _Noted(storage)
        # The dump and the threads that compress it inherit it: the database comes first.
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICENESS)
        try:
            done = self._take(replace(backup, began=time.time()), after, key, noted)
        except _Cancelled as error:
            # Whoever cancels it wants nothing of it to be left.
            with contextlib.suppress(GuestError):
                noted.erase()
            self._progress = Progress(backup.id, contract.FAILED, fault=error.message)
        except GuestError as error:
            self._failed(backup, storage, error.message, error.details)
        except Exception as error:  # noqa: BLE001 - whatever happens is told, and the next may run
            where = "".join(traceback.format_tb(error.__traceback__))
            self._failed(backup, storage, f"the backup failed: {type(error).__name__}", where)
        else:
            self._progress = Progress(
                backup.id, contract.COMPLETED, done.raw_bytes, done.stored_bytes
            )

    def _take(self, backup: Backup, after: dict[str, str], key: bytes, storage: Storage) -> Backup:
        manifest = f"{backup.index}/{contract.MANIFEST}"
        with contextlib.suppress(Missing):
            return contract.decode(storage.get(manifest))
        begun = f"{backup.index}/{contract.BEGUN}"
        storage.put(begun, contract.encode(backup))
        with contextlib.ExitStack() as ended:
            try:
                dump = ended.enter_context(self._backups.dump(after))
            except NothingToFollow as error:
                log.warning("backup %s is taken in full: %s", backup.id, error.message)
                backup = replace(backup, kind=contract.FULL, parent="")
                dump = ended.enter_context(self._backups.dump({}))
            segments, raw, stored = sealed_stream.store(
                dump.stream, storage, backup.folder, key, self._tell(backup.id)
            )
        done = replace(
            backup,
            segments=segments,
            raw_bytes=raw,
            stored_bytes=stored,
            position=dump.position,
            finished=time.time(),
        )
        try:
            storage.get(begun)
        except Missing:
            raise _Cancelled("the backup was deleted while it ran") from None
        storage.put(manifest, contract.encode(done))
        return done

    def _tell(self, identifier: str) -> Callable[[int, int], None]:
        def tell(raw: int, stored: int) -> None:
            if self._cancelled.is_set():
                raise _Cancelled("the backup was cancelled")
            self._progress = Progress(identifier, contract.RUNNING, raw, stored)

        return tell

    def _failed(self, backup: Backup, storage: Storage, message: str, details: str) -> None:
        log.error("backup %s failed: %s", backup.id, message)
        # What failed may be the storage itself; then the next look finds no end of the backup.
        with contextlib.suppress(GuestError):
            told = json.dumps({"fault": message})
            storage.put(f"{backup.index}/{contract.FAULT}", told.encode())
        self._progress = Progress(backup.id, contract.FAILED, fault=message, details=details)


class _Noted:
    """A storage that knows what was put into it."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._names: list[str] = []
        self.get = storage.get
        self.delete = storage.delete

    def put(self, name: str, data: bytes) -> None:
        self._names.append(name)
        self._storage.put(name, data)

    def erase(self) -> None:
        for name in self._names:
            self._storage.delete(name)


def check(chain: list[Link], storage: Storage) -> None:
    """Read everything that a restore will read. Raises Refused before anything was touched."""
    for number, link in enumerate(chain):
        backup = link.backup
        if not backup.complete:
            raise Refused(f"the backup {backup.name} is not complete")
        if backup.parent != (chain[number - 1].backup.id if number else ""):
            raise Refused(f"the backup {backup.name} does not follow the one before it")
        try:
            sealed_stream.check(backup.segments, storage)
        except (sealed_stream.Damaged, Missing) as error:
            raise Refused(f"the backup {backup.name} cannot be restored: {error.message}") from None


def restore(chain: list[Link], driver: Driver, storage: Storage, point: Point | None) -> None:
    """Make the data directory from *chain*, and bring it to *point* where there is one."""

    def part(link: Link) -> Part:
        def write(sink: IO[bytes]) -> None:
            sealed_stream.fetch(link.backup.segments, storage, link.key, sink)

        return write

    driver.backups.restore([part(link) for link in chain])
    if point is not None:
        if driver.log is None:
            raise Refused("the datastore has no log that could be replayed")
        driver.log.replay(_logs(point, storage), chain[-1].backup.position, point.until)
    driver.backups.settle()


def _logs(point: Point, storage: Storage) -> Logs:
    def fetch(name: str, sink: IO[bytes]) -> None:
        stored_logs.fetch_log(name, storage, point.archive.folder, point.key, sink)

    return Logs(point.names, fetch)


def restore_of(told: dict[str, Any]) -> Restore:
    """``{"chain": [{"manifest": …, "key": …}], "storage": …, "point": {…}}``

    A manifest is told by its name in the storage, for those of large backups are
    long. A point is ``{"archive", "key", "until", "names"}``; keys are base64.
    Without a point the chain is all that is restored. Raises Refused.
    """
    storage = open_storage(told["storage"])
    point = told.get("point")
    try:
        chain = [
            Link(contract.decode(storage.get(each["manifest"])), key_of(each["key"]))
            for each in told["chain"]
        ]
    except (Missing, contract.NotABackup) as error:
        raise Refused(f"the backup cannot be restored: {error}") from None
    return Restore(chain, storage, _point(point) if point else None)


def _point(told: dict[str, Any]) -> Point:
    return Point(Archive(**told["archive"]), key_of(told["key"]), told["until"], told["names"])


def key_of(text: str) -> bytes:
    return base64.urlsafe_b64decode(text)
