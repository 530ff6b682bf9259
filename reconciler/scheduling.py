"""Takes the backups that schedules want, and deletes those that their retention lets go."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass

from executors.engine import FREE, Entry, Lanes, Outcome, Stop
from planners import observed as seen
from planners.case import Draft
from planners.observed import Observed, StoredBackup
from planners.passes.backups import by_schedule, deletion
from planners.plan import Action, Plan
from planners.planning import ids_by_address, plan_of
from planners.retention import expired
from planners.schedules import Due, backup, due, new
from policy.verdict import DENY, Verdict
from reconciler import applying
from reconciler.journal.executions import ERROR, SUCCESS, Executions
from specs.desired import Address, Desired

ACTOR = "gitrove scheduler"


@dataclass(frozen=True)
class Scheduler:
    """One revision's schedules, and what they act on."""

    desired: Desired
    world: applying.World
    executions: Executions
    judge: Callable[[Plan], Verdict]
    concurrency: int
    cloud: str = ""
    per_host: int = 2
    """How many backups are taken on one host at the same time."""
    stop: Stop | None = None
    progress: Callable[[Entry], None] = lambda _: None
    mine: Callable[[str], bool] = lambda _project: True
    """Whether a project is this controller's, of several."""
    verify: Callable[[StoredBackup], list[str]] = lambda _: []
    """Restores a backup somewhere else and names the databases in it; raises if it cannot be."""

    def begin(self, now: float) -> dict[Due, int]:
        """Record as begun what is due at *now*; the number of each execution by what was due."""
        last = self.executions.last()
        fresh = list(new(self.desired, last))
        if fresh:
            self.executions.register(fresh, now)
        ready = [d for d in due(self.desired, last, now) if self.mine(d.schedule.project)]
        return {each: self.executions.begin(each) for each in ready}

    def run(self, begun: dict[Due, int]) -> None:
        """Take the backups and record how each ended, then let go what may go."""
        if not begun:
            return
        observed = self.world.observe()
        ids = ids_by_address(observed)
        drafts: dict[Address, list[Draft]] = {}
        wanted: dict[Due, str] = {}
        for each, number in begun.items():
            managed = ids.get(each.instance)
            if managed is None:
                self.executions.end(number, ERROR, output="the instance does not exist")
                continue
            draft = backup(each, managed, self.desired, observed)
            drafts.setdefault(each.instance, []).append(draft)
            wanted[each] = draft.item
        plan = plan_of(drafts, observed, self.desired.revision, self.cloud)
        if denied := self._denied(plan):
            for each in wanted:
                self.executions.end(begun[each], ERROR, output=denied)
            return
        outcome = self._apply(plan, Lanes(_host_of(observed), self.per_host))
        self._record(plan, outcome, wanted, begun)
        for each, item in wanted.items():
            self._verify_if_due(each, item.removeprefix("backup "), begun[each])
        self._let_go(wanted)

    def _record(
        self, plan: Plan, outcome: Outcome, wanted: dict[Due, str], begun: dict[Due, int]
    ) -> None:
        ids = {(a.address, a.item): a.id for a in plan.actions}
        faults = {entry.action.id: entry.message for entry in outcome.failed}
        done = set(outcome.done)
        for each, item in wanted.items():
            action = ids[str(each.instance), item]
            name = item.removeprefix("backup ")
            if action in done:
                self.executions.end(begun[each], SUCCESS, name, "Backup complete")
            else:
                text = faults.get(action, "it was stopped before it began")
                self.executions.end(begun[each], ERROR, name, text)

    def _verify_if_due(self, served: Due, name: str, number: int) -> None:
        every = self.desired.schedules[served.schedule].spec.verify_every
        schedule, instance = str(served.schedule), str(served.instance)
        if not every or self.executions.state(number) != SUCCESS:
            return
        if self.executions.successes(schedule, instance) % every:
            return
        stored = next(
            b
            for b in self.world.observe().backups
            if (b.project, b.name) == (served.instance.project, name)
        )
        try:
            found = ", ".join(self.verify(stored)) or "no databases"
        except Exception as error:  # noqa: BLE001 - it is recorded where people look
            text = f"Backup complete, but it cannot be restored: {error}"
            self.executions.end(number, ERROR, name, text)
        else:
            self.executions.end(number, SUCCESS, name, f"Backup complete and restored: {found}")

    def _let_go(self, served: Collection[Due]) -> None:
        observed = self.world.observe()
        taken: dict[tuple[Address, str], list[StoredBackup]] = {}
        followed: dict[str, set[str]] = {}
        for stored in observed.backups:
            key = Address(stored.project, stored.instance_name), stored.origin
            taken.setdefault(key, []).append(stored)
            followed.setdefault(stored.parent, set()).add(stored.id)
        drafts: dict[Address, list[Draft]] = {}
        for each in served:
            mine = taken.get((each.instance, by_schedule(each.schedule.name)), [])
            retention = self.desired.schedules[each.schedule].spec.retention
            gone = {b.id: b for b in expired(mine, retention, self.executions.now())}
            drafts.setdefault(each.instance, []).extend(
                deletion(backup, f"retention of {each.schedule.name}")
                for backup in gone.values()
                if followed.get(backup.id, set()) <= gone.keys()
            )
        plan = plan_of(drafts, observed, self.desired.revision, self.cloud)
        if plan.actions and not self._denied(plan):
            self._apply(plan)

    def _apply(self, plan: Plan, lanes: Lanes = FREE) -> Outcome:
        return applying.apply(
            plan, self.world, ACTOR, self.concurrency, self.stop, self.progress, lanes=lanes
        )

    def _denied(self, plan: Plan) -> str:
        return "; ".join(f.text for f in self.judge(plan).findings if f.effect == DENY)


def _host_of(observed: Observed) -> Callable[[Action], str]:
    """Tells the host of the instance that an action is on; "" where the cloud does not say."""
    hosts = {s.metadata[seen.ID]: s.host for s in observed.cloud.servers if seen.ID in s.metadata}
    return lambda action: hosts.get(action.step.instance, "")
