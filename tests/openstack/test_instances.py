"""Instances on a real OpenStack, from the first commit to the last."""

from __future__ import annotations

from typing import Any

import pytest

from guest_agent.toolkit.processes import wait_until
from tests.support.databases import cache, mariadb, postgresql
from tests.support.openstack import OpenStackWorld

THREE = """
apiVersion: gitrove/v1
kind: Instance
metadata: {name: orders}
spec:
  datastore: {name: mariadb}
  flavor: small
  volume: {size: 1, type: standard}
  databases: [{name: shop}]
  users: [{name: app, grants: [{database: shop}]}]
---
apiVersion: gitrove/v1
kind: Instance
metadata: {name: ledger}
spec:
  datastore: {name: postgresql}
  flavor: small
  volume: {size: 1}
  databases: [{name: books}]
  users: [{name: clerk, grants: [{database: books}]}]
---
apiVersion: gitrove/v1
kind: Instance
metadata: {name: cache}
spec:
  datastore: {name: redis}
  flavor: tiny
  volume: {size: 1}
  users: [{name: web, grants: [{database: "*", privileges: ["~*", "+@all"]}]}]
"""


def orders(world: OpenStackWorld, query: str) -> Any:
    login = (world.address("orders"), "app", world.password("orders", "app@%"))
    return mariadb(*login, query, "shop")


def ledger(world: OpenStackWorld, query: str) -> Any:
    login = (world.address("ledger"), "clerk", world.password("ledger", "clerk@"))
    return postgresql(*login, query, "books")


def store(world: OpenStackWorld, query: str) -> Any:
    return cache(world.address("cache"), "web", world.password("cache", "web@"), query)


def write_rows(world: OpenStackWorld) -> None:
    orders(world, "CREATE TABLE items AS SELECT seq AS id FROM seq_1_to_1000")
    ledger(world, "CREATE TABLE pages AS SELECT generate_series(1, 1000) AS page")
    store(world, "SET colour red")


def assert_rows(world: OpenStackWorld) -> None:
    assert orders(world, "SELECT COUNT(*) FROM items") == 1000
    assert ledger(world, "SELECT COUNT(*) FROM pages") == 1000
    assert store(world, "GET colour") == "red"


def test_three_datastores_live_change_break_and_end_without_a_trace(
    openstack_world: OpenStackWorld,
) -> None:
    world = openstack_world
    before = world.held()
    desired = world.desire(THREE)
    assert world.apply(desired).succeeded
    assert not world.plan(desired).actions
    write_rows(world)
    told = world.layout.run / "guests" / world.server("cache").id / "root"
    assert "overcommit" in (told / "etc/sysctl.d/60-gitrove-redis.conf").read_text()
    assert "sysctl" in (told / "commands").read_text()

    # A larger volume and another flavor, in place.
    larger = THREE.replace("size: 1, type", "size: 2, type").replace("tiny", "small")
    desired = world.desire(larger)
    kinds = {a.step.__class__.__name__ for a in world.plan(desired).actions}
    assert kinds >= {"ExtendVolume", "ResizeServer"}
    assert not world.converge(desired).actions
    assert world.server("cache").flavor == "small"
    assert max(v.size for v in world.cloud.observe().volumes) == 2
    assert_rows(world)

    # A host that loses its power: the server is off, and is started again.
    world.cut_power("orders")
    assert wait_until(lambda: world.server("orders").status == "SHUTOFF", 90, 1.0)
    assert not world.converge(desired).actions
    assert wait_until(lambda: world.report("orders").status == "running", 60, 0.5)
    assert_rows(world)

    # A person deletes a server: it comes back around its volume and its port.
    address = world.address("ledger")
    world.cloud.delete_server(world.server("ledger").id)
    assert not world.converge(desired).actions
    assert world.address("ledger") == address
    assert_rows(world)

    # Nothing declared any more: nothing left.
    assert not world.converge(world.desire("")).actions
    assert world.held() == before


@pytest.mark.parametrize(
    ("flavor", "fault"), [("elsewhere", "No valid host"), ("huge", "Quota exceeded for ram")]
)
def test_a_server_that_is_refused_is_told_and_leaves_no_server(
    openstack_world: OpenStackWorld, flavor: str, fault: str
) -> None:
    world = openstack_world
    before = world.held()
    text = THREE.split("---")[2].replace("tiny", flavor)
    outcome = world.apply(world.desire(text))
    told = [entry.message for entry in outcome.failed if entry.action.item == "server"]
    assert len(told) == 1 and fault in told[0]
    assert world.held()["servers"] == before["servers"]
    # The wish is corrected: what there is of it is used.
    desired = world.desire(text.replace(flavor, "tiny"))
    assert not world.converge(desired).actions
    assert world.report("cache").status == "running"
    assert world.held()["volumes"] == before["volumes"] + 1


def test_an_image_that_is_not_there_stops_the_plan(openstack_world: OpenStackWorld) -> None:
    registered = """
apiVersion: gitrove/v1
kind: Datastore
metadata: {name: redis}
spec: {versions: [{name: "7.0", image: redis-of-ours}]}
---"""
    desired = openstack_world.desire(registered + THREE.split("---")[2])
    told = [o.text for o in openstack_world.plan(desired).obstacles]
    assert told == ['the cloud has no image "redis-of-ours" for redis 7.0']


def test_a_resize_that_no_host_has_room_for_leaves_the_server_as_it_was(
    openstack_world: OpenStackWorld,
) -> None:
    world = openstack_world
    text = THREE.split("---")[2]
    assert world.apply(world.desire(text)).succeeded
    outcome = world.apply(world.desire(text.replace("tiny", "elsewhere")))
    told = [entry.message for entry in outcome.failed if entry.action.item == "server"]
    assert len(told) == 1 and 'did not resize it to "elsewhere"' in told[0]
    assert (world.server("cache").flavor, world.server("cache").status) == ("tiny", "ACTIVE")
    assert wait_until(lambda: world.report("cache").status == "running", 60, 0.5)
    assert not world.converge(world.desire(text)).actions
