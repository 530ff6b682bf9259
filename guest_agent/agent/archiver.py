"""Keeps the continuous archive: closes the log at an interval and stores what is closed."""

from __future__ import annotations

import base64
import json
import logging
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from guest_agent.contract import archive as contract
from guest_agent.contract.archive import Archive
from guest_agent.contract.errors import GuestError, Refused
from guest_agent.datastores.driver import Log
from guest_agent.toolkit import stored_logs
from guest_agent.toolkit.files import write_atomically
from guest_agent.toolkit.storage import access_until, open_storage

log = logging.getLogger("guest_agent")

_RENEW_SECONDS = 30 * 86_400.0


@dataclass(frozen=True)
class _Order:
    """What the archiver works by; it lies on the data volume and travels with the data."""

    archive: Archive
    key: str
    storage: dict[str, Any]


class Archiver:
    """Archives the log of one instance while its order is at *path*."""

    def __init__(self, path: Path, source: Log | None, running: Callable[[], bool]) -> None:
        self._path = path
        self._source = source
        self._running = running
        self._wake = threading.Event()
        self._lock = threading.Lock()
        self.fault = ""

    @property
    def archive(self) -> Archive | None:
        """What is archived, or None."""
        order = self._order()
        return order.archive if order else None

    @property
    def renew(self) -> bool:
        """Whether the access to the storage ends soon, so that the order should be given again."""
        order = self._order()
        return order is not None and access_until(order.storage) < time.time() + _RENEW_SECONDS

    def enable(self, archive: Archive, key: str, storage: dict[str, Any]) -> None:
        """Begin, or go on with, the archive of this instance."""
        if self._source is None:
            raise Refused("the datastore has no log that could be archived")
        with self._lock:
            before = self._order()
            since = before.archive.since if before else 0.0
            if not since:
                self._source.begin()
                since = time.time()
            self._write(_Order(replace(archive, since=since, until=since), key, storage))
        self._wake.set()

    def begin_anew(self) -> None:
        """Promise nothing of what came before now: no backup from then leads over it."""
        with self._lock:
            order = self._order()
            if order is not None and self._source is not None:
                self._source.begin()
                now = time.time()
                self._write(replace(order, archive=replace(order.archive, since=now, until=now)))

    def disable(self) -> None:
        """End the archive; what is stored stays until its retention ends."""
        with self._lock:
            self._path.unlink(missing_ok=True)
            if self._source is not None:
                self._source.end()
        self.fault = ""

    def run(self) -> None:
        """Archive for ever; the agent's thread."""
        while True:
            order = self._order()
            self._wake.wait(order.archive.interval if order else None)
            self._wake.clear()
            try:
                self.archive_once()
            except GuestError as error:
                self.fault = error.message
                log.warning("archive: %s", error.message)
            except Exception as error:
                self.fault = f"defect in the agent: {type(error).__name__}"
                log.exception("archive")

    def archive_once(self) -> None:
        """Store everything that was committed before now. Raises GuestError."""
        with self._lock:
            order = self._order()
            if order is None or self._source is None or not self._running():
                return
            storage = open_storage(order.storage)
            until = time.time()
            self._source.rotate()
            for path in self._source.closed():
                key = base64.urlsafe_b64decode(order.key)
                stored_logs.store_log(path, storage, order.archive.folder, key)
                self._source.stored(path)
            archive = replace(order.archive, until=until)
            storage.put(archive.index, contract.encode(archive))
            self._write(replace(order, archive=archive))
            self.fault = ""

    def _order(self) -> _Order | None:
        """The order; None without one, or with one that cannot be read: then it is given again."""
        try:
            raw = json.loads(self._path.read_text())
            return _Order(Archive(**raw["archive"]), raw["key"], raw["storage"])
        except FileNotFoundError:
            return None
        except (ValueError, TypeError, KeyError):
            self.fault = "what was to be archived cannot be read any more"
            log.error("archive: %s", self.fault)
            return None

    def _write(self, order: _Order) -> None:
        write_atomically(self._path, json.dumps(asdict(order)))
