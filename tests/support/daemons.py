"""Controllers over a simulated cloud, a repository whose commits tests make, and real daemons."""

from __future__ import annotations

import signal
import subprocess
import time
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path

import git

from executors.engine import Stop
from guest_agent.toolkit.processes import wait_until
from reconciler.applying import World
from reconciler.deciding import judge, plan_for
from reconciler.journal.requests import Requests
from reconciler.journal.resources import Resource, Resources
from reconciler.loop.controller import Controller, Tools
from reconciler.sources import Here
from reconciler.watching import Watch
from tests.support.shell import GITROVE, Shell
from tests.support.worlds import DEFINITIONS, SimulatedWorld

SETTINGS = """
apiVersion: gitrove/v1
kind: Settings
clouds: {sim: {driver: simulated}}
defaults: {project: shop}
"""
INSTANCE = """
apiVersion: gitrove/v1
kind: Instance
metadata: {name: %s, project: %s}
spec: {datastore: {name: redis}, flavor: %s, volume: {size: 1}}
---
"""


def instances(flavor: str, *addresses: str) -> str:
    parts = [each.partition("/") for each in addresses]
    return "".join(INSTANCE % (name, project, flavor) for project, _, name in parts)


@dataclass
class Clock:
    now: float = 1_795_000_000.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Loop:
    """One controller, whose repository, cloud and clock tests move."""

    root: Path
    world: SimulatedWorld
    clock: Clock = field(default_factory=Clock)
    patience: float = 30.0
    """Seconds that what a tick began may take."""

    def __post_init__(self) -> None:
        self.world.journal._clock = self.clock
        self.resources = Resources(self.world.journal)
        self.requests = Requests(self.world.journal)
        self.watch = Watch(Here(self.root))
        self.stop = Stop()
        self.controller = self.restarted()

    def restarted(self) -> Controller:
        """Another controller, as a new process has it."""
        tools = Tools(
            world=lambda _workspace: self._acted_on(),
            plan=plan_for,
            judge=judge,
            actor=lambda _workspace: "daemon",
        )
        self.controller = Controller(
            self.watch, tools, self.resources, self.requests, self.stop, self.clock
        )
        return self.controller

    def _acted_on(self) -> World:
        world = self.world
        return World(
            world.cloud, world.guests, world.key, DEFINITIONS, world.journal, self.root / ".locks"
        )

    def commit(self, text: str | None = None, reconcile: str = "{}") -> str:
        """Commit these documents (None: those that are there) with what reconciling is to do."""
        with git.Repo.init(self.root) as repository:
            settings = f"{SETTINGS}reconcile: {reconcile}\n"
            (self.root / "gitrove.yaml").write_text(settings)
            if text is not None:
                (self.root / "all.yaml").write_text(text)
            repository.git.add("gitrove.yaml", "all.yaml")
            return repository.index.commit("change").hexsha

    def tick(self, times: int = 1, seconds: float = 70.0) -> None:
        """So many ticks, each after *seconds*, with everything done that it began."""
        for _ in range(times):
            self.clock.now += seconds
            self.controller.tick()
            assert wait_until(lambda: not self.controller.running, self.patience)

    def of(self, address: str) -> Resource:
        return self.resources.read()[address]

    def flavor(self, name: str) -> str:
        return next(s.flavor for s in self.world.cloud.state.servers.values() if s.name == name)

    def names(self) -> list[str]:
        return sorted(s.name for s in self.world.cloud.state.servers.values())


class Daemon:
    """``gitrove daemon`` as a process, its output in a file."""

    def __init__(self, shell: Shell, *options: str, interval: str = "0.5") -> None:
        self.shell = shell
        self.log = shell.repository.parent / f"daemon-{time.monotonic_ns()}.log"
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [str(GITROVE), "daemon", "--interval", interval, *options],
                cwd=shell.repository,
                env={**shell.environment, "PYTHONFAULTHANDLER": "1"},
                stdout=log,
                stderr=log,
            )

    def says(self, text: str, seconds: float = 90) -> None:
        assert wait_until(lambda: text in self.log.read_text(), seconds), self.log.read_text()

    def ready(self, where: str) -> None:
        """Wait until it has looked at everything once; it listens at *where*."""

        def is_ready() -> bool:
            try:
                with urllib.request.urlopen(f"http://{where}/readyz", timeout=5) as answer:
                    return bool(answer.status == 200)
            except OSError:
                return False

        assert wait_until(is_ready, 60), self.log.read_text()

    def end(self, how: signal.Signals = signal.SIGTERM) -> int:
        """Its exit status; one that does not end says in its log where its threads are."""
        self.process.send_signal(how)
        try:
            return self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.send_signal(signal.SIGABRT)
            self.process.wait(60)
            raise AssertionError(f"it did not end:\n{self.log.read_text()}") from None
