"""Runs an approved plan: locked, journalled, and only if the world is as it was planned for."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from pathlib import Path
from socket import gethostname

from opentelemetry.context import get_current

from executors.cloud.interface import Cloud
from executors.engine import FREE, Entry, Lanes, Outcome, Stop, execute
from executors.guest.interface import Guests
from executors.handlers import Context, handle
from executors.keys import ControlKey
from executors.permit import acting_by
from executors.storage.interface import Stores
from planners.observed import Observed
from planners.plan import Action, Plan
from planners.planning import basis_by_address
from planners.steps import DeleteBackup, TakeBackup
from reconciler import places
from reconciler.journal.journal import Journal
from reconciler.journal.leases import SECONDS, exclusive
from reconciler.observation import learn, observe
from reconciler.tracing import TRACER
from reconciler.workspace import Workspace
from specs.definitions import Definitions
from specs.desired import Address


class Stale(Exception):
    """What the plan touches has changed since; the text names it."""


class Blocked(Exception):
    """The plan has obstacles and cannot run."""


@dataclass(frozen=True, slots=True)
class World:
    """Everything that an apply acts on."""

    cloud: Cloud
    guests: Guests
    key: ControlKey
    definitions: Definitions
    journal: Journal
    locks: Path
    repository: str = ""
    stores: Stores = field(default_factory=dict)
    holder: str = field(default_factory=lambda: f"{gethostname()}:{os.getpid()}")
    """By what name it holds leases."""
    lease: float = SECONDS
    """How long they last without being renewed, in seconds."""

    def observe(self, projects: Collection[str] | None = None) -> Observed:
        """Everything; with *projects*, only what they have."""
        return observe(self.cloud, self.guests, self.journal, self.stores, projects)

    def context(self, tell: Callable[[str, str], None]) -> Context:
        return Context(
            self.cloud,
            self.guests,
            self.key,
            self.definitions,
            self.repository,
            self.stores,
            tell,
        )


def world_of(workspace: Workspace, journal: Journal) -> World:
    """What an apply of the workspace acts on."""
    return World(
        workspace.cloud,
        workspace.guests,
        workspace.key,
        workspace.definitions,
        journal,
        places.home() / "locks",
        workspace.revision.settings.repository,
        workspace.stores,
    )


def apply(
    plan: Plan,
    world: World,
    actor: str,
    concurrency: int,
    stop: Stop | None = None,
    progress: Callable[[Entry], None] = lambda _: None,
    tell: Callable[[str, str], None] = lambda _instance, _text: None,
    lanes: Lanes = FREE,
    begun: Callable[[str], None] = lambda _run: None,
) -> Outcome:
    """Execute *plan*; *begun* is told the run's id. Raises Blocked, Stale, Locked before anything
    has changed.
    """
    if plan.obstacles:
        raise Blocked(f"the plan has {len(plan.obstacles)} obstacles")
    projects = {
        Address.parse(action.address).project
        for action in plan.actions
        # The guest takes one backup at a time; they need not wait for other changes.
        if not isinstance(action.step, TakeBackup | DeleteBackup)
    }
    with exclusive(world.journal, world.holder, world.lease, world.locks, projects) as right:
        observed = world.observe({Address.parse(each).project for each in plan.basis})
        _refuse_if_stale(plan, observed)
        learn(world.journal, observed)
        run = world.journal.begin(plan, actor, right.fence)
        begun(run.id)
        context = world.context(tell)
        about = {"gitrove.run": run.id, "gitrove.commit": plan.revision}
        with TRACER.start_as_current_span("apply", attributes=about):
            here = get_current()

            def act(action: Action) -> None:
                told = about | {"gitrove.resource": action.address}
                name = type(action.step).__name__
                span = TRACER.start_as_current_span(name, context=here, attributes=told)
                with span, acting_by(right.permit):
                    handle(action.step, context)

            outcome = execute(plan, act, run, concurrency, stop, progress, lanes)
        run.end(_word(outcome))
        return outcome


def _refuse_if_stale(plan: Plan, observed: Observed) -> None:
    now = basis_by_address(observed, plan.basis)
    changed = sorted(a for a, digest in plan.basis.items() if now[a] != digest)
    if changed:
        raise Stale(f"changed since the plan was made: {', '.join(changed)}; plan again")


def _word(outcome: Outcome) -> str:
    if outcome.succeeded:
        return "succeeded"
    return "failed" if outcome.failed else "stopped"
