"""Worlds to test in: a cloud with guests, key and journal, and the loop around them."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent
from types import MappingProxyType, SimpleNamespace

import msgspec
import psutil

from executors.cloud.interface import Cloud
from executors.cloud.local import LocalCloud, Setup
from executors.cloud.simulated import SimulatedCloud
from executors.engine import Entry, Outcome, Sink
from executors.guest.client import SealedGuests
from executors.guest.interface import Guests
from executors.guest.simulated import GuestState, SimulatedGuests
from executors.keys import ControlKey
from executors.keys import load as load_key
from executors.storage.folder import Folder
from executors.storage.interface import Store
from guest_agent.contract.report import Report
from guest_agent.toolkit.processes import ServerProcess, wait_until
from planners.observed import Flavor, Observed, Server
from planners.plan import Plan
from planners.planning import make_plan
from planners.steps import SecretSource
from reconciler import applying
from reconciler.catalogue import discover
from reconciler.journal.journal import Fence, Journal
from reconciler.observation import learn, observe
from specs.desired import Address, Desired
from specs.loading import Source, load

DEFINITIONS = discover()
KEY = ControlKey(b"k" * 32, Path("/nonexistent"))


def desire(text: str, project: str = "shop") -> Desired:
    """The desired state of one YAML text. Raises SpecProblems."""
    return load(
        [Source("specs.yaml", dedent(text).encode())], DEFINITIONS, project, storages=["offsite"]
    )


class _WrappedJournal:
    """The journal, but what a run records goes through *wrap* first."""

    def __init__(self, journal: Journal, wrap: Callable[[Sink], Sink]) -> None:
        self._wrap = wrap
        self.records, self.learn = journal.records, journal.learn
        self.is_local = journal.is_local
        self._begin = journal.begin

    def begin(self, plan: Plan, actor: str, fence: Fence) -> SimpleNamespace:
        run = self._begin(plan, actor, fence)
        return SimpleNamespace(id=run.id, record=self._wrap(run).record, end=run.end)


@dataclass
class World:
    """A cloud with its guests and a journal, and the loop around them."""

    cloud: Cloud
    guests: Guests
    journal: Journal
    key: ControlKey = KEY
    projects: Collection[str] = ("shop",)

    @property
    def locks(self) -> Path:
        """The folder of the locks that keep two applies of this world apart."""
        raise NotImplementedError

    @property
    def storage(self) -> Folder:
        """Where this world keeps its backups."""
        return Folder(self.locks / "backups")

    @property
    def stores(self) -> dict[str, Store]:
        """The storage, and another one by the name ``offsite``."""
        return {"": self.storage, "offsite": Folder(self.locks / "offsite")}

    def observe(self) -> Observed:
        return observe(self.cloud, self.guests, self.journal, self.stores)

    def plan(self, desired: Desired, targets: Collection[Address] = ()) -> Plan:
        return make_plan(desired, self.observe(), self.key, "test", targets, self.projects)

    def apply(
        self,
        desired: Desired,
        wrap: Callable[[Sink], Sink] = lambda sink: sink,
        concurrency: int = 4,
        progress: Callable[[Entry], None] = lambda _: None,
    ) -> Outcome:
        """Plan and apply once, as the command line does; *wrap* stands before the journal."""
        learn(self.journal, self.observe())
        journal = _WrappedJournal(self.journal, wrap)
        acted_on = applying.World(
            self.cloud,
            self.guests,
            self.key,
            DEFINITIONS,
            journal,
            self.locks,
            stores=self.stores,
        )
        plan = msgspec.structs.replace(self.plan(desired), obstacles=[])
        return applying.apply(plan, acted_on, "tester", concurrency, progress=progress)

    def converge(self, desired: Desired, rounds: int = 5) -> Plan:
        """Apply until the plan is empty or has only obstacles; that plan."""
        for _ in range(rounds):
            made = self.plan(desired)
            if not made.actions:
                return made
            outcome = self.apply(desired)
            assert outcome.succeeded, outcome.failed
        return self.plan(desired)


@dataclass(kw_only=True)
class SimulatedWorld(World):
    """A world in memory, or in *store*: then ``again`` is the same world in a new process."""

    cloud: SimulatedCloud
    store: Path | None = None
    url: str = "sqlite://"
    scratch: tempfile.TemporaryDirectory[str] | None = None

    @classmethod
    def create(cls, folder: Path | None = None) -> SimulatedWorld:
        store = folder / "cloud.json" if folder else None
        return cls.at(store, f"sqlite:///{folder}/journal.db" if folder else "sqlite://")

    @classmethod
    def at(cls, store: Path | None, url: str) -> SimulatedWorld:
        cloud = SimulatedCloud(store=store)
        guests = SimulatedGuests(cloud, DEFINITIONS)
        return cls(cloud=cloud, guests=guests, journal=Journal(url), store=store, url=url)

    def again(self) -> SimulatedWorld:
        return self.at(self.store, self.url)

    @property
    def locks(self) -> Path:
        if self.store:
            return self.store.parent / "locks"
        self.scratch = self.scratch or tempfile.TemporaryDirectory(prefix="gitrove-locks-")
        return Path(self.scratch.name)

    def guest(self, desired: Desired, name: str, project: str = "shop") -> GuestState:
        """The guest's state of a declared instance, for tests that meddle with it."""
        for server in self.cloud.state.servers.values():
            metadata = server.metadata
            if (metadata["gitrove:project"], metadata["gitrove:name"]) == (project, name):
                return self.cloud.state.guests[metadata["gitrove:id"]]
        raise KeyError(name)


@dataclass(kw_only=True)
class LocalWorld(World):
    """Real agents and real database servers below *folder*."""

    cloud: LocalCloud
    folder: Path
    network: str
    images: Mapping[str, list[Path]]

    @classmethod
    def at(
        cls, folder: Path, network: str, images: Mapping[str, list[Path]] = MappingProxyType({})
    ) -> LocalWorld:
        folder.mkdir(mode=0o711, exist_ok=True)
        flavors = {n: Flavor(name=n, ram=ram) for n, ram in (("tiny", 256), ("small", 512))}
        zones = {"az1": ["host1", "host2"], "az2": ["host3"]}
        setup = Setup(folder / "cloud", network, flavors, ["standard", "fast"], zones, images)
        key = load_key(folder / "control.key", folder)
        journal = Journal(f"sqlite:///{folder}/journal.db")
        cloud = LocalCloud(setup)
        guests = SealedGuests(key)
        return cls(
            cloud=cloud,
            guests=guests,
            journal=journal,
            key=key,
            folder=folder,
            network=network,
            images=images,
        )

    def again(self) -> LocalWorld:
        return self.at(self.folder, self.network, self.images)

    @property
    def locks(self) -> Path:
        return self.folder / "locks"

    def server(self, name: str) -> Server:
        return next(s for s in self.cloud.observe().servers if s.name == name)

    def report(self, name: str) -> Report:
        found = self.observe().guests[self.server(name).metadata["gitrove:id"]]
        assert found is not None
        return found

    def place(self, name: str) -> Path:
        """The folder of the server called *name*."""
        return self.folder / "cloud" / "servers" / self.server(name).id

    def address(self, name: str) -> str:
        server = self.server(name)
        return next(p.address for p in self.cloud.observe().ports if p.id == server.port)

    def password(self, name: str, login: str) -> str:
        instance = self.server(name).metadata["gitrove:id"]
        return self.key.password(instance, login, SecretSource())

    def process(self, name: str, which: str = "database") -> psutil.Process:
        """The running process of the database or the agent."""
        folder = self.place(name) / ("local" if which == "database" else "")
        found = ServerProcess(folder / f"{which}.process", folder / f"{which}.log").find()
        assert found is not None
        return found

    def process_gone(self, name: str, which: str) -> None:
        folder = self.place(name) / ("local" if which == "database" else "")
        process = ServerProcess(folder / f"{which}.process", folder / f"{which}.log")
        assert wait_until(lambda: not process.running(), 10)

    def wait_until_running(self, *names: str) -> None:
        def running() -> bool:
            reports = self.observe().guests.values()
            return [r.status for r in reports if r] == ["running"] * len(names)

        assert wait_until(running, 60)

    def remove(self) -> None:
        """Stop every process of this world, then remove its files."""
        for server in self.cloud.servers():
            self.cloud.stop_server(server.id)
        self.journal.close()
        shutil.rmtree(self.folder, ignore_errors=True)
