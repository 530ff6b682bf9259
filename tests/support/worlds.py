"""A simulated cloud with guests, key and journal, and the loop around it."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from pathlib import Path
from textwrap import dedent

from executors.cloud.simulated import SimulatedCloud
from executors.engine import Entry, Outcome, Sink, execute
from executors.guest.simulated import GuestState, SimulatedGuests
from executors.handlers import Context, handle
from executors.keys import ControlKey
from planners.observed import Observed
from planners.plan import Plan
from planners.planning import make_plan
from reconciler.catalogue import discover
from reconciler.journal.journal import Journal
from reconciler.observation import learn, observe
from specs.desired import Address, Desired
from specs.loading import Source, load

DEFINITIONS = discover()
KEY = ControlKey(b"k" * 32, Path("/nonexistent"))


def desire(text: str, project: str = "shop") -> Desired:
    """The desired state of one YAML text. Raises SpecProblems."""
    return load([Source("specs.yaml", dedent(text).encode())], DEFINITIONS, project)


@dataclass
class SimulatedWorld:
    """Everything of one simulated world; ``again`` is the same world in a new process."""

    cloud: SimulatedCloud
    journal: Journal
    store: Path | None = None
    url: str = "sqlite://"
    projects: Collection[str] = ("shop",)

    @classmethod
    def create(cls, folder: Path | None = None) -> SimulatedWorld:
        store = folder / "cloud.json" if folder else None
        url = f"sqlite:///{folder}/journal.db" if folder else "sqlite://"
        return cls(SimulatedCloud(store=store), Journal(url), store, url)

    def again(self) -> SimulatedWorld:
        return replace(self, cloud=SimulatedCloud(store=self.store), journal=Journal(self.url))

    @property
    def guests(self) -> SimulatedGuests:
        return SimulatedGuests(self.cloud, DEFINITIONS)

    def observe(self) -> Observed:
        return observe(self.cloud, self.guests, self.journal)

    def plan(self, desired: Desired, targets: Collection[Address] = ()) -> Plan:
        return make_plan(desired, self.observe(), KEY, "sim", targets, self.projects)

    def apply(
        self,
        desired: Desired,
        wrap: Callable[[Sink], Sink] = lambda sink: sink,
        concurrency: int = 4,
        progress: Callable[[Entry], None] = lambda _: None,
    ) -> Outcome:
        """Plan and execute once."""
        made = self.plan(desired)
        learn(self.journal, self.observe())
        context = Context(self.cloud, self.guests, KEY, DEFINITIONS)
        run = self.journal.begin(made, "tester")
        outcome = execute(
            made,
            lambda action: handle(action.step, context),
            wrap(run),
            concurrency,
            progress=progress,
        )
        run.end("done")
        return outcome

    def converge(self, desired: Desired, rounds: int = 5) -> Plan:
        """Apply until the plan is empty or has only obstacles; that plan."""
        for _ in range(rounds):
            made = self.plan(desired)
            if not made.actions:
                return made
            outcome = self.apply(desired)
            assert outcome.succeeded, outcome.failed
        return self.plan(desired)

    def guest(self, desired: Desired, name: str, project: str = "shop") -> GuestState:
        """The guest's state of a declared instance, for tests that meddle with it."""
        for server in self.cloud.state.servers.values():
            metadata = server.metadata
            if (metadata["gitrove:project"], metadata["gitrove:name"]) == (project, name):
                return self.cloud.state.guests[metadata["gitrove:id"]]
        raise KeyError(name)
