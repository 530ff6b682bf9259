"""What the daemon does with each repository that it follows: reconcile, back up, notify."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from sqlalchemy.exc import SQLAlchemyError

from executors.engine import Stop
from planners.observed import StoredBackup
from planners.plan import Plan
from policy.check import Consent
from reconciler import logs, verification
from reconciler.applying import apply, world_of
from reconciler.consent import unapproved
from reconciler.deciding import judge, plan_for
from reconciler.journal.approvals import Approvals
from reconciler.journal.executions import ERROR, Executions
from reconciler.journal.journal import Journal, JournalError
from reconciler.journal.requests import Requests
from reconciler.journal.resources import Resources
from reconciler.loop.accounts import Mine
from reconciler.loop.controller import Controller, Tools
from reconciler.scheduling import ACTOR, Scheduler
from reconciler.watching import Watch
from reconciler.workspace import Workspace
from specs.desired import Address
from specs.revision import RevisionError

log = logging.getLogger("gitrove")

_ROUNDS = 5
_JITTER = 0.2


class Follower:
    """One repository, followed: it is asked for commits each *interval* seconds, with some jitter.

    *later* runs something beside the loop.
    """

    def __init__(
        self,
        watch: Watch,
        interval: float,
        journal: Journal,
        stop: Stop,
        mine: Callable[[], Mine],
        later: Callable[[Callable[[], None]], Any],
        lease_seconds: float,
        holder: str,
        at_once: int = 4,
    ) -> None:
        self.watch = watch
        self._journal = journal
        self._stop = stop
        self._mine = mine
        self._later = later
        self._interval = interval
        self._next_fetch = 0.0
        self.looked = time.time()
        tools = Tools(
            world=lambda workspace: replace(world_of(workspace, journal), lease=lease_seconds),
            plan=plan_for,
            judge=judge,
            actor=lambda workspace: workspace.actor.name,
            mine=mine,
            unapproved=self._unapproved,
        )
        self.controller = Controller(
            watch, tools, Resources(journal), Requests(journal), stop, time.time, at_once, holder
        )

    def fetch_soon(self) -> None:
        """Ask for commits at the next tick."""
        self._next_fetch = 0.0

    def tick(self) -> None:
        """Reconcile, and begin the backups that are due."""
        self.looked = time.time()
        fetch = self.looked >= self._next_fetch
        if fetch:
            pause = self._interval * random.uniform(1 - _JITTER, 1 + _JITTER)  # noqa: S311
            self._next_fetch = self.looked + pause
        try:
            self.controller.tick(fetch)
        except (JournalError, SQLAlchemyError) as error:
            log.error("the journal cannot be used: %s", str(error).splitlines()[0])
            return
        except RevisionError as error:
            log.error("%s: %s", self.watch.name, error)
            return
        workspace = self.watch.current
        if workspace is None or not workspace.desired.schedules or self._stop.asked:
            return
        scheduler = scheduler_of(workspace, self._journal, self._stop, self._mine())
        begun = scheduler.begin(time.time())
        if begun:
            log.info("%d backups are due", len(begun))
            self._later(lambda: _take(scheduler, begun))

    def _unapproved(self, workspace: Workspace, plan: Plan) -> dict[str, str]:
        if not workspace.revision.settings.policy.approvals:
            return {}
        trust = self.watch.trust(workspace)
        return unapproved(plan, workspace, trust, Approvals(self._journal))


def _take(scheduler: Scheduler, begun: dict[Any, int]) -> None:
    try:
        scheduler.run(begun)
    except Exception as error:  # noqa: BLE001 - it is recorded where people look
        log.error("%s: %s", type(error).__name__, error)
        for number in begun.values():
            scheduler.executions.end(number, ERROR, output=str(error))


def scheduler_of(
    workspace: Workspace, journal: Journal, stop: Stop, mine: Mine = lambda _project: True
) -> Scheduler:
    """The schedules of a revision, ready to run."""
    return Scheduler(
        desired=workspace.desired,
        world=world_of(workspace, journal),
        executions=Executions(journal),
        judge=lambda plan: judge(workspace, plan),
        concurrency=workspace.revision.settings.concurrency,
        cloud=workspace.cloud_name,
        per_host=workspace.revision.settings.backups.per_host,
        stop=stop,
        progress=logs.ended,
        mine=mine,
        verify=lambda backup: _verified(workspace, journal, backup, stop),
    )


def _verified(
    workspace: Workspace, journal: Journal, backup: StoredBackup, stop: Stop
) -> list[str]:
    """Raises RuntimeError, which says what keeps the backup from being restored."""

    def restore(wanted: Workspace, address: str) -> None:
        for _ in range(_ROUNDS):
            if not _applied(wanted, journal, address, Consent(), stop):
                return
        raise RuntimeError(f"the plan is still not empty after {_ROUNDS} rounds")

    def remove(without: Workspace, address: str) -> None:
        _applied(without, journal, address, verification.REMOVAL, stop)

    observe = world_of(workspace, journal).observe
    return verification.verify(workspace, backup, restore, remove, observe, Requests(journal))


def _applied(
    workspace: Workspace, journal: Journal, address: str, consent: Consent, stop: Stop
) -> bool:
    """Apply the plan for *address* without a word; whether there was anything to do."""
    world = world_of(workspace, journal)
    plan = plan_for(workspace, world.observe(), [Address.parse(address)])
    verdict = judge(workspace, plan, consent)
    if plan.obstacles:
        raise RuntimeError(plan.obstacles[0].text)
    if not verdict.allowed:
        raise RuntimeError("; ".join(finding.text for finding in verdict.findings))
    if not plan.actions:
        return False
    outcome = apply(plan, world, ACTOR, workspace.revision.settings.concurrency, stop)
    if not outcome.succeeded:
        raise RuntimeError(outcome.failed[0].message if outcome.failed else "it was stopped")
    return True
