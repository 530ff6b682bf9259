"""``kill -9`` of the controller after every single journal step, on a cloud that stays."""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pytest

from executors.engine import Entry, Sink
from planners import steps
from specs.desired import Desired
from tests.support.texts import CHANGED, FULL
from tests.support.worlds import SimulatedWorld, desire


@dataclass
class DyingSink:
    """Passes entries on and kills this process at the *last* record, before or after it."""

    inner: Sink
    last: int
    after: bool
    count: int = 0

    def record(self, entries: Sequence[Entry]) -> None:
        self.count += 1
        dies = self.count == self.last
        if dies and not self.after:
            os.kill(os.getpid(), signal.SIGKILL)
        self.inner.record(entries)
        if dies:
            os.kill(os.getpid(), signal.SIGKILL)


def killed(world: SimulatedWorld, desired: Desired, last: int, after: bool) -> bool:
    """Apply in another process that dies at a record; whether it died."""
    child = os.fork()
    if child == 0:
        try:
            world.again().apply(desired, lambda sink: DyingSink(sink, last, after), concurrency=1)
            os._exit(0)
        finally:
            os._exit(3)
    status = os.waitpid(child, 0)[1]
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0
    return os.WIFSIGNALED(status)


def prepared(folder: Path, before: str | None) -> SimulatedWorld:
    folder.mkdir()
    world = SimulatedWorld.create(folder)
    if before:
        desired = desire(before)
        world.converge(desired)
        world.guest(desired, "orders").rows["store"] = 7
        world.guest(desired, "cache").running = False
        world.guest(desired, "orders").file["max_connections"] = "1"
        world.cloud.save()
    return world


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize(("before", "wanted"), [(None, FULL), (FULL, CHANGED)], ids=["new", "old"])
def test_apply_converges_after_a_kill_at_any_step(
    tmp_path: Path, before: str | None, wanted: str, after: bool
) -> None:
    desired = desire(wanted)
    deaths = 0
    for last in range(1, 200):
        world = prepared(tmp_path / str(last), before)
        if not killed(world, desired, last, after):
            break
        deaths += 1
        survivor = world.again()
        assert survivor.converge(desired).actions == []
        state = survivor.cloud.state
        declared = {address.name for address in desired.instances}
        assert sorted(s.name for s in state.servers.values()) == sorted(declared)
        assert sorted(v.name for v in state.volumes.values()) == sorted(declared)
        assert sorted(p.name for p in state.ports.values()) == sorted(declared)
        assert all(volume.server for volume in state.volumes.values())
        if before:
            assert survivor.guest(desired, "orders").rows["store"] == 7
    assert deaths > 20


def test_the_two_plans_use_every_step_type(durable_world: SimulatedWorld) -> None:
    first, second = desire(FULL), desire(CHANGED)
    used = {type(action.step) for action in durable_world.plan(first).actions}
    durable_world.converge(first)
    durable_world.guest(first, "cache").running = False
    server = next(s for s in durable_world.cloud.state.servers.values() if s.name == "cache")
    used |= {type(action.step) for action in durable_world.plan(second).actions}
    durable_world.cloud.state.servers[server.id] = msgspec.structs.replace(server, status="SHUTOFF")
    used |= {type(action.step) for action in durable_world.plan(second).actions}
    # What only gitrove adopt plans is all that is left.
    known = set(steps.AnyStep.__args__)  # type: ignore[attr-defined]
    assert used == known - {steps.Adopt}
