"""Keys of real guests: rotated, interrupted, kept through a rebuild, and of no use elsewhere."""

from __future__ import annotations

import json

import pytest

from executors.errors import Failed, Passing
from guest_agent.toolkit.processes import wait_until
from planners.steps import RotateKey
from specs.desired import Desired
from tests.support.worlds import LocalWorld, desire


def declared(rotation: int, *names: str) -> Desired:
    return desire(
        "---".join(
            f"""
apiVersion: gitrove/v1
kind: Instance
metadata: {{name: {name}}}
spec:
  datastore: {{name: redis}}
  flavor: tiny
  volume: {{size: 1}}
  guestKey: {{rotation: {rotation}}}
"""
            for name in names
        )
    )


@pytest.mark.parametrize("moment", ["before the salt", "after the salt", "after the ping"])
def test_a_rotation_that_is_interrupted_leaves_a_guest_that_answers(
    local_world: LocalWorld, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    world = local_world
    assert not world.converge(declared(1, "one")).actions
    before = world.server("one").metadata["gitrove:salt"]
    mark = world.cloud.set_metadata

    def cut(server: str, key: str, value: str) -> None:
        if key == "gitrove:salt" and moment == "before the salt":
            raise Failed("the control plane is gone")
        if key == "gitrove:key-rotation" and moment == "after the ping":
            raise Failed("the control plane is gone")
        mark(server, key, value)
        if key == "gitrove:salt" and moment == "after the salt":
            raise Failed("the control plane is gone")

    monkeypatch.setattr(world.cloud, "set_metadata", cut)
    assert not world.apply(declared(2, "one")).succeeded
    monkeypatch.undo()
    assert world.report("one").status == "running"
    (action,) = world.plan(declared(2, "one")).actions
    assert isinstance(action.step, RotateKey)
    assert not world.converge(declared(2, "one")).actions
    assert world.server("one").metadata["gitrove:salt"] != before

    # The old key is of no use any more, whoever kept it.
    endpoint = world.cloud.endpoint(world.server("one").metadata["gitrove:id"])
    assert endpoint is not None
    with pytest.raises(Passing):
        world.guests.call(endpoint.__class__(endpoint.instance, endpoint.address, before), "ping")
    assert world.guests.call(endpoint, "ping") == "pong"


def test_a_copy_of_another_guests_disk_cannot_talk_as_either(local_world: LocalWorld) -> None:
    world = local_world
    assert not world.converge(declared(1, "one", "two")).actions
    world.cloud.stop_server(world.server("two").id)
    mine, theirs = (world.place(name) / "agent.json" for name in ("two", "one"))
    own, copied = (json.loads(path.read_text()) for path in (mine, theirs))
    # A machine has its own address and volume, whatever its disk is a copy of.
    placed = {k: own[k] for k in ("address", "volume", "local")}
    mine.write_text(json.dumps(copied | placed))
    world.cloud.start_server(world.server("two").id)
    assert wait_until(lambda: world.server("two").status == "ACTIVE", 10)
    two, one = (world.server(name).metadata["gitrove:id"] for name in ("two", "one"))
    endpoint, true = world.cloud.endpoint(two), world.cloud.endpoint(one)
    assert endpoint is not None and true is not None
    with pytest.raises(Passing, match="does not answer"):
        world.guests.call(endpoint, "ping")
    assert world.observe().guests[two] is None
    assert world.guests.call(true, "ping") == "pong"
