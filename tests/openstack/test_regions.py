"""Two regions in one catalogue: each instance in its own, seen together."""

from __future__ import annotations

import pytest

from executors.cloud.interface import Boot, Identity, Machine
from executors.cloud.openstack import OpenStackCloud, Setup
from executors.cloud.regions import Regions
from tests.devcloud.layout import REGION, SECOND_REGION
from tests.support.openstack import OpenStackWorld

CACHE = """
apiVersion: gitrove/v1
kind: Instance
metadata: {name: %s}
spec: {datastore: {name: redis}, flavor: tiny, volume: {size: 1}%s}
"""


def test_instances_live_in_their_regions(
    openstack_world: OpenStackWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = openstack_world
    before = world.held()
    asked: list[str] = []
    first, second = (
        OpenStackCloud(Setup("devcloud-tests", "databases", name))
        for name in (REGION, SECOND_REGION)
    )
    make = second.create_server

    def noted(identity: Identity, machine: Machine, boot: Boot) -> None:
        asked.append(identity.name)
        make(identity, machine, boot)

    monkeypatch.setattr(second, "create_server", noted)
    world.cloud = Regions(first, {SECOND_REGION: second})  # type: ignore[assignment]
    here, there = CACHE % ("here", ""), CACHE % ("there", f", region: {SECOND_REGION}")
    desired = world.desire(f"{here}---{there}")
    assert not world.converge(desired).actions
    assert asked == ["there"]
    assert (world.server("here").region, world.server("there").region) == ("", SECOND_REGION)
    assert world.report("there").status == "running"

    assert not world.converge(world.desire(here)).actions
    (told,) = world.plan(world.desire(CACHE % ("here", f", region: {SECOND_REGION}"))).obstacles
    assert "region cannot change in place" in told.text
    assert not world.converge(world.desire("")).actions
    assert world.held() == before
