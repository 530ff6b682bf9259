"""Server groups on a real Nova: apart or together, fixed at creation, gone with the last."""

from __future__ import annotations

from tests.support.openstack import OpenStackWorld

PAIR = """
apiVersion: gitrove/v1
kind: Instance
metadata: {name: %s}
spec:
  datastore: {name: redis}
  flavor: tiny
  volume: {size: 1}
  placement: {group: pair, policy: %s}
"""


def declared(policy: str, *names: str) -> str:
    return "---".join(PAIR % (name, policy) for name in names)


def test_servers_stand_apart_and_a_host_too_few_is_told(openstack_world: OpenStackWorld) -> None:
    world = openstack_world
    before = world.held()
    two = world.desire(declared("anti-affinity", "one", "two"))
    assert not world.converge(two).actions
    assert world.server("one").host != world.server("two").host

    # The cloud has two hosts.
    outcome = world.apply(world.desire(declared("anti-affinity", "one", "two", "three")))
    told = [entry.message for entry in outcome.failed if entry.action.item == "server"]
    assert len(told) == 1 and "No valid host" in told[0]
    assert not world.converge(two).actions

    # What stands somewhere does not move.
    (first, second) = world.plan(world.desire(declared("affinity", "one", "two"))).obstacles
    assert "placement cannot change in place" in first.text and first.text == second.text

    assert not world.converge(world.desire("")).actions
    assert world.held() == before
