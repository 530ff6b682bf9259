"""Follows one repository: looks, plans, holds what must wait, and changes project by project.

One look and one plan serve all projects. Each project with something to do is
then changed by itself, by a pool in which the project that waited longest goes
first; what fails waits longer each time, and nobody else waits for it.
"""

from __future__ import annotations

import logging
import math
import random
import threading
from collections.abc import Callable, Collection, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace

from executors.engine import Entry, Outcome, State, Stop
from executors.errors import ActionError
from planners.case import NOTHING
from planners.observed import Observed
from planners.plan import Plan
from planners.planning import reports_by_address
from policy.verdict import DENY, Verdict
from reconciler import applying, logs
from reconciler.applying import Stale, World
from reconciler.health import Health
from reconciler.journal.journal import JournalError
from reconciler.journal.requests import ACCEPT, SYNC, Request, Requests
from reconciler.journal.resources import Resource, Resources, SourceState
from reconciler.locks import Locked
from reconciler.loop import accounts, conditions, holds
from reconciler.loop.accounts import Mine
from reconciler.loop.rules import Book
from reconciler.observation import learn
from reconciler.tracing import TRACER
from reconciler.watching import Watch
from reconciler.workspace import Workspace
from specs.desired import Address, Desired

log = logging.getLogger("gitrove")

_UNCLEAR_SECONDS = 2.0
_JITTER = 0.1
"""The share of the interval by which looks are spread, so that several daemons part."""


def _everything(_project: str) -> bool:
    return True


@dataclass(frozen=True)
class Tools:
    """What the controller does its work with, by workspace."""

    world: Callable[[Workspace], World]
    plan: Callable[[Workspace, Observed], Plan]
    judge: Callable[[Workspace, Plan], Verdict]
    actor: Callable[[Workspace], str]
    """In whose name it acts."""
    unapproved: Callable[[Workspace, Plan], dict[str, str]] = lambda _workspace, _plan: {}
    """Addresses of a plan that wait for the approval of a second person, and what is missing."""
    mine: Callable[[], Mine] = lambda: _everything
    """Whether a project is this controller's now, of several; a round asks once."""


@dataclass
class Figures:
    """What the rounds were like; times in seconds since the epoch, or of duration."""

    rounds: int = 0
    ended: float = 0.0
    seconds: float = 0.0
    planned: int = 0
    """Actions in the newest plan."""
    results: dict[tuple[str, str], int] = field(default_factory=dict)
    """Ends of actions by step and state."""


@dataclass(frozen=True)
class View:
    """What the newest round saw: for pages and figures, not for decisions."""

    workspace: Workspace
    observed: Observed
    plan: Plan


@dataclass(frozen=True)
class Look:
    """What one round sees and says. ``states`` has the new record of every resource of ours."""

    workspace: Workspace
    plan: Plan
    book: Book
    states: dict[str, Resource]
    wishes: Mapping[str, str]
    """What is declared of each, as a digest."""
    wanted: Collection[str]
    """The addresses that somebody asked to sync."""
    mine: Mine


class Controller:
    """The reconciling of one repository. *stop* ends what runs in order.

    *holder* is this controller's name among several.
    """

    def __init__(
        self,
        watch: Watch,
        tools: Tools,
        resources: Resources,
        requests: Requests,
        stop: Stop,
        clock: Callable[[], float],
        at_once: int = 4,
        holder: str = "",
    ) -> None:
        self._watch = watch
        self._tools = tools
        self._resources = resources
        self._requests = requests
        self._stop = stop
        self._clock = clock
        self._holder = holder
        self._pool = ThreadPoolExecutor(at_once, "project")
        self._lock = threading.Lock()
        self._turns: dict[str, float] = {}
        self._tried: dict[str, tuple[str, ...]] = {}
        self._wishes: tuple[str, dict[str, str]] = ("", {})
        self._next_look = 0.0
        self._soon = threading.Event()
        self._revision = ""
        self._told = SourceState("")
        self._actor = ""
        self._suspended: set[str] = set()
        self._audited = clock()
        self._before = watch.before()
        self.figures = Figures()
        self.view: View | None = None
        self.running: dict[str, Plan] = {}
        """The plan that is executed of each project now."""

    @property
    def name(self) -> str:
        return self._watch.name

    def tick(self, fetch: bool = True) -> None:
        """Do a round if there is a new commit, a request, or it is time for one.

        *fetch*: ask where the commits come from; else go on with the one in force.
        """
        requests = self._requests.open(self._watch.name, self._holder)
        for each in requests:
            if each.kind == ACCEPT:
                self._watch.accept(each.subject)
                self._requests.end(each.id, "accepted")
        # Who asks means the newest commit.
        workspace = self._watch.workspace() if fetch or requests else self._watch.current
        self._tell_source(workspace)
        if workspace is None:
            return
        syncs = [each for each in requests if each.kind == SYNC]
        if self._is_due(workspace) or syncs:
            self.round(workspace, syncs)
        self.audit()

    def round(self, workspace: Workspace, syncs: Collection[Request] = ()) -> None:
        """Look once at everything, record how each resource is, begin what may be done."""
        about = {"gitrove.source": self._watch.name, "gitrove.commit": workspace.revision.name}
        with TRACER.start_as_current_span("round", attributes=about):
            self._round(workspace, syncs)

    def _round(self, workspace: Workspace, syncs: Collection[Request]) -> None:
        began = self._clock()
        interval = workspace.revision.settings.reconcile.interval
        self._next_look = began + interval * random.uniform(1 - _JITTER, 1 + _JITTER)  # noqa: S311
        self._soon.clear()
        # Who is busy now has been looked at before it changed; its next round is another one.
        busy = set(self.running)
        self._actor = self._tools.actor(workspace)
        try:
            world = self._tools.world(workspace)
            observed = world.observe()
        except ActionError as error:
            self._lose_sight(f"the cloud cannot be looked at: {error.message}")
            return
        learn(world.journal, observed)
        known = self._resources.read(self._watch.name)
        look = self._look(workspace, observed, known, busy, syncs)
        turns = self._settled_turns(look)
        self._record(known, look, busy)
        sooner = [s.retry_at for s in look.states.values() if s.retry_at > began]
        sooner += [_unclear_until(s, known.get(a), began) for a, s in look.states.items()]
        self._next_look = min([self._next_look, *sooner])
        for project in sorted(turns, key=lambda each: self._turns.get(each, 0.0)):
            self._begin(workspace, project, turns[project], look.states)
        for each in syncs:
            self._requests.end(each.id, _answer(each, turns.values(), look.states))
        self._tell_commit(workspace, look.mine)
        self._revision = workspace.revision.name
        self.view = View(workspace, observed, look.plan)
        self.figures.planned = len(look.plan.actions)
        self.figures.rounds += 1
        self.figures.ended = self._clock()
        self.figures.seconds = self.figures.ended - began

    def look_soon(self) -> None:
        """Have the next tick do a round."""
        self._soon.set()

    def audit(self) -> None:
        """Tell who counts what there is, when another period has ended."""
        view, now = self.view, self._clock()
        period = view.workspace.revision.settings.reconcile.audit if view else 0
        if view is None or not period or now < self._audited + period:
            return
        known = self._resources.read(self._watch.name)
        desired, mine = view.workspace.desired, self._tools.mine()
        events = accounts.inventory(known, desired, view.observed, mine, self._audited, now)
        self._resources.write([], events=events)
        self._audited = now

    def close(self) -> None:
        """Wait for what runs."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _is_due(self, workspace: Workspace) -> bool:
        if workspace.revision.name != self._revision or self._soon.is_set():
            return True
        asked = set(self._requests.suspensions()) != self._suspended
        return asked or self._clock() >= self._next_look

    # -- looking ----------------------------------------------------------------------

    def _look(
        self,
        workspace: Workspace,
        observed: Observed,
        known: Mapping[str, Resource],
        busy: Collection[str],
        syncs: Collection[Request],
    ) -> Look:
        plan = self._tools.plan(workspace, observed)
        settings = workspace.revision.settings.reconcile
        self._suspended = set(self._requests.suspensions())
        book = Book(settings, workspace.desired, self._suspended, self._clock())
        pieces = {a: (found, report) for a, found, report in reports_by_address(observed)}
        ours = workspace.projects | {a.project for a in workspace.desired.instances}
        addresses = {*workspace.desired.instances, *(a for a in pieces if a.project in ours)}
        addresses |= {Address.parse(action.address) for action in plan.actions}
        states, mine = {}, self._tools.mine()
        for address in sorted(addresses):
            if address.project in busy or not mine(address.project):
                continue
            before = known.get(str(address), Resource(self._watch.name, str(address)))
            if before.revision != workspace.revision.name:
                # A commit may have mended what failed.
                before = replace(before, retry_at=0.0)
            found, report = pieces.get(address, (NOTHING, None))
            state = conditions.seen(before, found, report, book.rules(address).suspended)
            state = conditions.counted(state, found, observed.cloud, self._clock())
            states[str(address)] = replace(state, revision=plan.revision)
        wishes = self._wishes_of(workspace)
        return Look(workspace, plan, book, states, wishes, _wanted(syncs, states), mine)

    def _wishes_of(self, workspace: Workspace) -> dict[str, str]:
        revision, wishes = self._wishes
        if revision != workspace.revision.name:
            desired = workspace.desired
            wishes = {str(a): conditions.wish(a, desired) for a in desired.instances}
            self._wishes = workspace.revision.name, wishes
        return wishes

    # -- deciding ---------------------------------------------------------------------

    def _settled_turns(self, look: Look) -> dict[str, Plan]:
        """The plan of each project that may be changed now; the rest is noted in the states."""
        obstacles = {each.address: each.text for each in look.plan.obstacles}
        acted_on = {action.address for action in look.plan.actions}
        for address, state in look.states.items():
            if address in obstacles:
                look.states[address] = conditions.obstructed(state, obstacles[address])
            elif address not in acted_on:
                wish = look.wishes.get(address, conditions.NOT_DECLARED)
                look.states[address] = conditions.settled(state, wish)
        possible = acted_on & look.states.keys() - obstacles.keys()
        parts = holds.by_project(look.plan, possible)
        turns = {project: self._for_now(look, own) for project, own in parts.items()}
        return {project: plan for project, plan in turns.items() if plan.actions}

    def _for_now(self, look: Look, own: Plan) -> Plan:
        """What of the plan of one project may be done now."""
        waits = self._waits(look, own)
        runnable = holds.without(own, waits)
        verdict = self._tools.judge(look.workspace, runnable)
        denied = next((f.text for f in verdict.findings if f.effect == DENY), "")
        if denied:
            for address in runnable.basis:
                look.states[address] = conditions.obstructed(look.states[address], denied)
            waits |= {action.id: denied for action in runnable.actions}
            runnable = holds.without(own, waits)
        left = {action.id for action in runnable.actions}
        for address, mine in holds.by_address(own.actions).items():
            why = next((waits[action.id] for action in mine if action.id in waits), "")
            pending = sum(action.id not in left for action in mine)
            look.states[address] = conditions.waiting(look.states[address], pending, why)
        return runnable

    def _waits(self, look: Look, own: Plan) -> dict[str, str]:
        """Why each action of *own* that must not run now waits, by its id."""

        def settled(address: str) -> bool:
            return look.states[address].applied == look.wishes.get(address, conditions.NOT_DECLARED)

        waits = holds.held(own.actions, look.book.rules, settled, look.wanted)
        unapproved = self._tools.unapproved(look.workspace, own)
        for action in own.actions:
            state = look.states[action.address]
            why = unapproved.get(action.address)
            if why and not holds.brings_back(action):
                waits.setdefault(action.id, why)
            if state.retry_at > self._clock() and action.address not in look.wanted:
                waits.setdefault(action.id, conditions.resting(state))
                look.states[action.address] = conditions.obstructed(state, state.fault)
        return waits

    # -- changing ---------------------------------------------------------------------

    def _begin(
        self, workspace: Workspace, project: str, plan: Plan, states: Mapping[str, Resource]
    ) -> None:
        now, going = self._clock(), {}
        self._turns[project] = now
        for address, (first, *_) in holds.by_address(plan.actions).items():
            begun = conditions.progressing(states[address], f"{first.verb} {first.item}")
            going[address] = conditions.dated(begun, states[address], now)
        self._resources.write(going.values())
        with self._lock:
            self.running = {**self.running, project: plan}
        self._pool.submit(self._change, workspace, project, plan, going)

    def _change(
        self, workspace: Workspace, project: str, plan: Plan, states: Mapping[str, Resource]
    ) -> None:
        """Execute the plan of one project, and record what failed."""
        about = {"project": project, "commit": plan.revision}
        try:
            outcome = applying.apply(
                plan,
                self._tools.world(workspace),
                self._tools.actor(workspace),
                workspace.revision.settings.concurrency,
                self._stop,
                lambda entry: self._progress(entry, about),
                begun=lambda run: about.update(run=run),
            )
            if outcome.refused:
                log.warning("%s: stopped: %s", project, outcome.refused, extra=about)
            self._note(plan, outcome, states)
        except (Locked, Stale) as error:
            log.info("%s: %s", project, error, extra=about)
        except (ActionError, JournalError) as error:
            log.warning("%s: %s", project, error, extra=about)
        except Exception:
            log.exception("%s: a defect in gitrove", project, extra=about)
            text = "a defect in gitrove; see the log of the daemon"
            self._resources.write(self._failed(each, text) for each in states.values())
        finally:
            with self._lock:
                self.running = {p: each for p, each in self.running.items() if p != project}
            # Whether all is now as it is declared, only another look tells.
            self.look_soon()

    def _note(self, plan: Plan, outcome: Outcome, states: Mapping[str, Resource]) -> None:
        faults = {entry.action.address: entry.message for entry in reversed(outcome.failed)}
        actions = holds.by_address(plan.actions)
        changed = []
        for address, state in states.items():
            tried = tuple(action.id for action in actions[address])
            if address in faults:
                changed.append(self._failed(state, faults[address]))
            elif outcome.succeeded and self._tried.get(address) == tried:
                text = "what was done did not last; it is planned again"
                changed.append(self._failed(state, text))
            self._tried[address] = tried
        self._resources.write(changed)

    def _failed(self, state: Resource, text: str) -> Resource:
        now = self._clock()
        return conditions.dated(conditions.failed(state, text, now), state, now)

    def _progress(self, entry: Entry, about: Mapping[str, str]) -> None:
        if entry.state is State.STARTED:
            return
        key = type(entry.action.step).__name__, str(entry.state)
        with self._lock:
            self.figures.results[key] = self.figures.results.get(key, 0) + 1
        logs.ended(entry, about)

    # -- telling ----------------------------------------------------------------------

    def _record(
        self,
        known: Mapping[str, Resource],
        look: Look,
        busy: Collection[str],
    ) -> None:
        now = self._clock()
        dated = {a: conditions.dated(s, known.get(a), now) for a, s in look.states.items()}
        gone = [
            resource
            for address, resource in known.items()
            if address not in look.states
            and (project := Address.parse(address).project) not in busy
            and look.mine(project)
        ]
        ends = [*((known.get(a), s) for a, s in dated.items()), *((each, None) for each in gone)]
        events = [e for old, new in ends for e in accounts.changed(old, new, now, self._actor)]
        self._resources.write((s for a, s in dated.items() if s != known.get(a)), gone, events)
        for address, resource in dated.items():
            before = known.get(address)
            if before is None or before.health is not resource.health:
                why = f": {resource.reason}" if resource.reason else ""
                told = {"resource": address, "commit": resource.revision}
                log.info("%s is %s%s", address, resource.health, why, extra=told)

    def _tell_commit(self, workspace: Workspace, mine: Mine) -> None:
        if workspace.revision.name == self._revision:
            return
        before = self.view.workspace if self.view else self._before
        desired = before.desired if before else Desired()
        events = accounts.declared(desired, workspace.desired, self._actor, mine)
        self._resources.write([], events=events)

    def _lose_sight(self, why: str) -> None:
        """What cannot be seen is unknown, never gone."""
        log.warning("%s", why)
        known = self._resources.read(self._watch.name)
        now, mine = self._clock(), self._tools.mine()
        self._resources.write(
            conditions.dated(replace(each, health=Health.UNKNOWN, reason=why), each, now)
            for each in known.values()
            if mine(Address.parse(each.address).project) and each.reason != why
        )

    def _tell_source(self, workspace: Workspace | None) -> None:
        revision = workspace.revision.name if workspace else ""
        state = SourceState(self._watch.name, revision, self._watch.problem, self._clock())
        if replace(state, since=0.0) != replace(self._told, since=0.0):
            self._resources.write_source(state)
            self._told = state


def _unclear_until(now: Resource, before: Resource | None, at: float) -> float:
    """When to look again: the sooner, the shorter it has been unknown. It may just be starting."""
    if now.health is not Health.UNKNOWN:
        return math.inf
    since = before.since if before and before.health is now.health else at
    return at + max(_UNCLEAR_SECONDS, at - since)


def _wanted(syncs: Iterable[Request], states: Collection[str]) -> set[str]:
    """The addresses that somebody asked to sync: by name, by project, or all."""
    found: set[str] = set()
    for each in syncs:
        asked = set(each.addresses)
        found |= {a for a in states if not asked or a in asked or a.partition("/")[0] in asked}
    return found


def _answer(request: Request, turns: Iterable[Plan], states: Mapping[str, Resource]) -> str:
    asked = _wanted([request], states)
    begun = sum(action.address in asked for plan in turns for action in plan.actions)
    told = [f"{begun} action{'' if begun == 1 else 's'} begun" if begun else "nothing to do now"]
    told += [f"{a} waits: {states[a].waits}" for a in sorted(asked) if states[a].waits]
    return "\n".join(told)
