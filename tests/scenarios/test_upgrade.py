"""Instances of an older version become ones of a newer, on the same volume and address."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from guest_agent.toolkit.processes import wait_until
from planners.plan import Impact
from planners.steps import UpgradeServer
from specs.desired import Desired
from tests.support.databases import cache, mariadb, postgresql
from tests.support.versions import IMAGES
from tests.support.worlds import LocalWorld, desire


@dataclass(frozen=True)
class Kind:
    """One datastore, from one version to the next, and rows in it."""

    name: str
    before: str
    after: str
    extra: str
    fill: tuple[str, ...]
    count: tuple[str, Any]

    def desired(self, version: str) -> Desired:
        return desire(self.text(version))

    def text(self, version: str) -> str:
        return f"""
apiVersion: gitrove/v1
kind: Instance
metadata: {{name: one}}
spec:
  datastore: {{name: {self.name}, version: "{version}"}}
  flavor: tiny
  volume: {{size: 1}}
{self.extra}
"""


SHOP = """
  databases: [{name: shop}]
  users: [{name: app, grants: [{database: shop}]}]
"""
WEB = """
  users: [{name: app, grants: [{database: "*", privileges: ["~*", "+@all"]}]}]
"""
KINDS = [
    Kind(
        "mariadb", "10.5", "10.11", SHOP,
        ("CREATE TABLE items AS SELECT seq AS id FROM seq_1_to_5000",),
        ("SELECT COUNT(*) FROM items", 5000),
    ),
    Kind(
        "postgresql", "13", "15", SHOP,
        ("CREATE TABLE items AS SELECT generate_series(1, 5000) AS id",),
        ("SELECT COUNT(*) FROM items", 5000),
    ),
    Kind("redis", "6.2", "7.0", WEB, ("RPUSH items a b c", "SET colour red"), ("LLEN items", 3)),
]  # fmt: skip


@pytest.fixture
def world(short_folder: Path, network: str) -> Iterator[LocalWorld]:
    world = LocalWorld.at(short_folder / "w", network, IMAGES)
    yield world
    world.remove()


def ask(world: LocalWorld, kind: Kind, query: str) -> Any:
    host = world.address("one")
    if kind.name == "mariadb":
        return mariadb(host, "app", world.password("one", "app@%"), query, "shop")
    if kind.name == "postgresql":
        return postgresql(host, "app", world.password("one", "app@"), query, "shop")
    return cache(host, "app", world.password("one", "app@"), query)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_data_login_and_address_stay(world: LocalWorld, kind: Kind) -> None:
    assert not world.converge(kind.desired(kind.before)).actions
    assert world.report("one").version.startswith(kind.before)
    for query in kind.fill:
        ask(world, kind, query)
    address, volume = world.address("one"), world.cloud.observe().volumes

    desired = kind.desired(kind.after)
    plan = world.plan(desired)
    (action,) = plan.actions
    assert isinstance(action.step, UpgradeServer) and action.impact is Impact.DOWNTIME
    assert [note.text for note in plan.notes] == [
        "there is no backup of it to return to, should the upgrade disappoint"
    ]
    outcome = world.apply(desired)
    assert outcome.succeeded, [(each.message, each.details) for each in outcome.failed]
    assert not world.plan(desired).actions
    assert world.report("one").version.startswith(kind.after)
    query, expected = kind.count
    assert ask(world, kind, query) == expected
    assert (world.address("one"), world.cloud.observe().volumes) == (address, volume)

    # Back is not a version that this one upgrades from.
    (obstacle,) = world.plan(kind.desired(kind.before)).obstacles
    assert f"{kind.after} cannot become {kind.before}" in obstacle.text


def test_an_agent_killed_in_the_middle_of_pg_upgrade_leaves_data_that_the_next_one_upgrades(
    world: LocalWorld,
) -> None:
    kind = KINDS[1]
    assert not world.converge(kind.desired("13")).actions
    for query in kind.fill:
        ask(world, kind, query)
    volume = Path(world.cloud.observe().volumes[0].id)
    fresh = world.folder / "cloud" / "volumes" / volume / "mount" / "data.new"
    desired = kind.desired("15")

    def applied() -> None:
        world.again().apply(desired)

    thread = threading.Thread(target=applied)
    thread.start()
    assert wait_until(lambda: (fresh / "pg_upgrade_output.d").exists(), 60)
    world.process("one", "agent").kill()
    thread.join()
    # What the killed agent began is let to its end, then begun again.

    def converged() -> bool:
        world.apply(desired)
        return not world.plan(desired).actions

    assert wait_until(converged, 60, 0.5)
    query, expected = kind.count
    assert ask(world, kind, query) == expected
    assert world.report("one").version.startswith("15")
    assert not fresh.exists() and not fresh.with_name("data.old").exists()


@pytest.mark.parametrize("kind", KINDS[:2], ids=lambda kind: kind.name)
def test_a_server_that_is_made_anew_of_a_newer_version_upgrades_its_data_first(
    world: LocalWorld, kind: Kind
) -> None:
    """Its version is not declared, and the default has changed since."""
    assert not world.converge(kind.desired(kind.before)).actions
    for query in kind.fill:
        ask(world, kind, query)
    world.cloud.delete_server(world.server("one").id)
    undeclared = desire(kind.text(kind.before).replace(f', version: "{kind.before}"', ""))
    assert world.apply(undeclared).succeeded
    assert world.report("one").upgrades_from == kind.before
    (action,) = world.plan(undeclared).actions
    assert isinstance(action.step, UpgradeServer)
    assert not world.converge(undeclared).actions
    query, expected = kind.count
    assert ask(world, kind, query) == expected
