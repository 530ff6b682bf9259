"""24 simulated hours: faults, lost servers, commits, restarts; nothing twice, nothing lost."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path

from executors.errors import Passing
from reconciler.health import Health
from tests.support.daemons import Loop, instances
from tests.support.worlds import SimulatedWorld

_MINUTES = 24 * 60
_FAULTS = 0.02
"""The share of calls that fail."""


def a_day(place: Path, count: int, seed: int) -> Counter[str]:
    """Live it, each of *count* instances in a project of its own; what happened, counted."""
    chance, told = random.Random(seed), Counter[str]()
    world = SimulatedWorld.create(place)
    loop, cloud = Loop(place / "repository", world), world.cloud
    names = [f"p{n}/i{n}" for n in range(count)]
    flavor = "tiny"
    loop.commit(instances(flavor, *names))

    def fault(verb: str) -> None:
        if chance.random() < _FAULTS and verb not in ("observe", "observe:done"):
            told["faults"] += 1
            raise Passing("the service is away")

    for _minute in range(_MINUTES):
        cloud.fault = lambda _verb: None
        event = chance.random()
        if event < 0.02 and cloud.state.servers:
            cloud.delete_server(chance.choice(sorted(cloud.state.servers)))
            told["lost servers"] += 1
        elif event < 0.03:
            flavor = chance.choice(["tiny", "small", "medium"])
            loop.commit(instances(flavor, *names))
            told["commits"] += 1
        elif event < 0.04:
            loop.restarted()
            told["restarts"] += 1
        cloud.fault = fault
        loop.tick(seconds=60.0)
    cloud.fault = lambda _verb: None
    loop.tick(60, seconds=60.0)
    state = cloud.state
    assert len(state.servers) == len(state.volumes) == len(state.ports) == count
    assert {server.flavor for server in state.servers.values()} == {flavor}
    assert {r.health for r in loop.resources.read().values()} == {Health.HEALTHY}
    return told


def test_a_day_ends_as_it_is_declared(tmp_path: Path) -> None:
    told = a_day(tmp_path, 10, seed=1)
    assert all(told[each] for each in ("faults", "lost servers", "commits", "restarts"))
