"""Instances on a real OpenStack, from the first commit to the last."""

from __future__ import annotations

import re

import psycopg2
import pymysql
import pytest
import redis

from guest_agent.toolkit.processes import wait_until
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


def mariadb(world: OpenStackWorld) -> pymysql.Connection:
    return pymysql.connect(
        host=world.address("orders"),
        user="app",
        password=world.password("orders", "app@%"),
        database="shop",
        autocommit=True,
    )


def write_rows(world: OpenStackWorld) -> None:
    with mariadb(world) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE TABLE items (id INT PRIMARY KEY)")
        cursor.execute("INSERT INTO items VALUES (1), (2), (3)")
    books = postgresql(world)
    with books, books.cursor() as cursor:
        cursor.execute("CREATE TABLE pages AS SELECT generate_series(1, 1000) AS page")
    books.close()
    store(world).set("colour", "red")


def postgresql(world: OpenStackWorld) -> psycopg2.extensions.connection:
    return psycopg2.connect(
        host=world.address("ledger"),
        user="clerk",
        password=world.password("ledger", "clerk@%"),
        dbname="books",
    )


def store(world: OpenStackWorld) -> redis.Redis:
    password = world.password("cache", "web@%")
    return redis.Redis(world.address("cache"), username="web", password=password)


def assert_rows(world: OpenStackWorld) -> None:
    with mariadb(world) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT COUNT(*) FROM items")
        assert cursor.fetchone() == (3,)
    books = postgresql(world)
    with books, books.cursor() as cursor:
        cursor.execute("SELECT COUNT(*) FROM pages")
        assert cursor.fetchone() == (1000,)
    books.close()
    assert store(world).get("colour") == b"red"


@pytest.mark.timeout(600)
def test_three_datastores_live_change_break_and_end_without_a_trace(
    openstack_world: OpenStackWorld,
) -> None:
    world = openstack_world
    before = world.held()
    desired = world.desire(THREE)
    assert world.apply(desired).succeeded
    assert not world.plan(desired).actions
    write_rows(world)

    # A larger volume and another flavor, in place.
    larger = THREE.replace("size: 1, type", "size: 2, type").replace("tiny", "small")
    desired = world.desire(larger)
    kinds = {a.step.__class__.__name__ for a in world.plan(desired).actions}
    assert kinds == {"ExtendVolume", "ResizeServer"}
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


def test_a_server_that_no_host_takes_is_told_and_leaves_no_server(
    openstack_world: OpenStackWorld,
) -> None:
    world = openstack_world
    before = world.held()
    text = THREE.split("---")[2].replace("tiny", "huge")
    outcome = world.apply(world.desire(text))
    told = [entry.message for entry in outcome.failed if entry.action.item == "server"]
    assert len(told) == 1 and re.search("No valid host", told[0])
    assert world.held()["servers"] == before["servers"]
    # The wish is corrected: what there is of it is used.
    desired = world.desire(text.replace("huge", "tiny"))
    assert not world.converge(desired).actions
    assert world.report("cache").status == "running"


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
