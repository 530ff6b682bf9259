"""Everything that runs as long as the daemon does: followers on timers, leases, a web server."""

from __future__ import annotations

import logging
import os
import socket
import threading
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from zlib import crc32

from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.jobstores.base import JobLookupError
from apscheduler.schedulers.background import BackgroundScheduler
from sqlalchemy.exc import SQLAlchemyError

from executors.engine import Stop
from reconciler.journal.executions import Executions
from reconciler.journal.journal import Journal
from reconciler.journal.leases import SECONDS, Leases, share
from reconciler.loop.accounts import Mine
from reconciler.loop.followers import Follower
from reconciler.notifications.delivery import deliver, ways
from reconciler.watching import Watch

log = logging.getLogger("gitrove")

_TICK = 1.0
"""Seconds between looks at what is near: requests, what has ended, what is due."""
_LAST_WORDS = 30.0
"""Seconds that the end may be delayed by notifications."""
_JITTER = 0.2
_BEATS = 10
"""Signs of life in the time after which a controller is taken for dead."""


class Daemon:
    """Follows what *watches* watch, looking each *interval* seconds, until it is stopped."""

    def __init__(
        self,
        watches: Sequence[Watch],
        journal: Journal,
        interval: float,
        lease_seconds: float = SECONDS,
    ) -> None:
        self.journal = journal
        self.holder = f"{socket.gethostname()}:{os.getpid()}"
        self._interval = interval
        self._beat_seconds = lease_seconds / _BEATS
        self._stop = Stop()
        self._ended = threading.Event()
        # Not one of the jobs: what a message bus needs (eventlet) leaves threads that nobody can
        # join any more.
        self._telling = threading.Thread(target=self._tell, daemon=True, name="tell")
        self._quiet, self._told = threading.Event(), threading.Event()
        self._leases = Leases(journal, self.holder, lease_seconds)
        self.living: list[str] = [self.holder]
        """The controllers that share this journal, of which one is this."""
        self._jobs = BackgroundScheduler(
            executors={"default": ThreadPoolExecutor(8 + 2 * len(watches))}, timezone=UTC
        )
        self.followers = [
            Follower(
                watch,
                interval,
                journal,
                self._stop,
                self.mine,
                self._later,
                lease_seconds,
                self.holder,
            )
            for watch in watches
        ]

    def mine(self) -> Mine:
        """Whether this controller is the one for a project, as of now."""
        living = self.living
        return lambda project: bool(share([project], living, self.holder))

    def start(self) -> None:
        Executions(self.journal).interrupt()
        self._beat()
        self._jobs.start()
        self._every(self._beat_seconds, self._beat, "beat")
        self._telling.start()
        for follower in self.followers:
            log.info("watching %s", follower.watch.name)
            self._every(min(self._interval, _TICK), follower.tick, _job(follower))

    def wake(self, follower: Follower) -> None:
        """Have it look for commits now."""
        follower.fetch_soon()
        try:
            self._jobs.modify_job(_job(follower), next_run_time=datetime.now(UTC))
        except JobLookupError:
            log.info("%s is not followed any more", follower.watch.name)

    def ask_to_end(self) -> None:
        self._ended.set()

    def wait(self) -> None:
        """Until somebody asks it to end; then until what runs is done."""
        self._ended.wait()
        log.info("ending; what runs is finished first")
        self._stop.ask()
        self._jobs.shutdown(wait=True)
        for follower in self.followers:
            follower.controller.close()
        self._quiet.set()
        if not self._told.wait(_LAST_WORDS):
            log.warning("some notifications wait for the next daemon")
        self._leases.leave()

    def _every(self, seconds: float, task: Any, name: str) -> None:
        self._jobs.add_job(
            task,
            "interval",
            seconds=seconds,
            jitter=seconds * _JITTER,
            id=name,
            next_run_time=datetime.now(UTC),
            coalesce=True,
            max_instances=1,
        )

    def _later(self, task: Any) -> None:
        self._jobs.add_job(task, misfire_grace_time=None)

    def _beat(self) -> None:
        self._leases.beat()
        living = self._leases.living()
        if living != self.living:
            log.info("controllers: %s", ", ".join(living))
            self.living = living
            for follower in self.followers:
                follower.controller.look_soon()

    def _tell(self) -> None:
        last = False
        while not last:
            last = self._quiet.wait(_TICK)
            try:
                self._deliver()
            except SQLAlchemyError as error:
                log.error("the journal cannot be used: %s", str(error).splitlines()[0])
            except Exception:
                log.exception("notifications wait: a defect in gitrove")
        self._told.set()

    def _deliver(self) -> None:
        """Hand on the notifications that wait; of several controllers one does."""
        if self.holder != min(self.living):
            return
        in_force = [each.watch.current for each in self.followers]
        receivers = {n: way for each in in_force if each for n, way in ways(each).items()}
        if None in in_force and not receivers:
            return
        for name, fault in deliver(self.journal, receivers).items():
            log.warning("notifications to %s wait: %s", name, fault)

    @property
    def is_ready(self) -> bool:
        """Whether every repository was read, and looked at, once."""
        return all(each.controller.figures.rounds for each in self.followers)

    @property
    def is_alive(self) -> bool:
        """Whether its rounds go on."""
        limit = time.time() - _PATIENCE
        return all(each.looked > limit for each in self.followers)


_PATIENCE = 900.0
"""Seconds without a tick after which a follower is taken for stuck; a round may take long."""


def _job(follower: Follower) -> str:
    return f"follow {crc32(follower.watch.name.encode()):08x} {follower.watch.name}"
