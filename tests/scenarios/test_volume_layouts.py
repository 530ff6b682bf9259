"""Several volumes for one instance: each holds its kind, grows, and outlives the server."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from planners.steps import CreateVolume, ExtendVolume
from specs.desired import Desired
from specs.problems import SpecProblems
from tests.support.databases import cache, mariadb, postgresql
from tests.support.versions import IMAGES
from tests.support.worlds import LocalWorld, desire

LAYOUT = """
apiVersion: gitrove/v1
kind: VolumeLayout
metadata: {name: split}
spec: {volumes: [%s]}
---
"""
INSTANCE = """
apiVersion: gitrove/v1
kind: Instance
metadata: {name: %s}
spec:
  datastore: {name: %s, version: "%s"}
  flavor: tiny
  volumeLayout: split
  users: [{name: app, grants: [{%s}]}]
"""
SHOP = "database: shop"
EVERYTHING = 'database: "*", privileges: ["~*", "+@all"]'
DATABASE = "  databases: [{name: shop}]\n"


def declared(sizes: dict[str, int], *documents: str) -> Desired:
    volumes = ", ".join(f"{{kind: {kind}, size: {size}}}" for kind, size in sizes.items())
    return desire(LAYOUT % volumes + "---".join(documents))


@pytest.fixture
def world(short_folder: Path, network: str) -> Iterator[LocalWorld]:
    world = LocalWorld.at(short_folder / "w", network, IMAGES)
    yield world
    world.remove()


def mounts(world: LocalWorld, name: str = "one") -> dict[str, Path]:
    """Where the volumes of an instance are, by kind."""
    volumes = [v for v in world.cloud.observe().volumes if v.name == name]
    folder = world.folder / "cloud" / "volumes"
    return {volume.kind: folder / volume.id / "mount" for volume in volumes}


def extended(world: LocalWorld, desired: Desired) -> list[Any]:
    steps = [action.step for action in world.plan(desired).actions]
    assert all(isinstance(step, ExtendVolume) for step in steps)
    assert not world.converge(desired).actions
    return steps


def lose_server(world: LocalWorld, desired: Desired) -> None:
    """A person deletes the server; it comes back around its volumes."""
    world.cloud.delete_server(world.server("one").id)
    assert not any(isinstance(a.step, CreateVolume) for a in world.plan(desired).actions)
    assert not world.converge(desired).actions


def test_binary_logs_and_the_servers_own_have_volumes_of_their_own(world: LocalWorld) -> None:
    document = INSTANCE % ("one", "mariadb", "10.11", SHOP) + DATABASE
    sizes = {"user_log": 1, "binlog": 2, "data": 3}
    desired = declared(sizes, document)
    assert not world.converge(desired).actions

    def ask(query: str) -> Any:
        host, password = world.address("one"), world.password("one", "app@%")
        return mariadb(host, "app", password, query, "shop")

    ask("CREATE TABLE items AS SELECT seq AS id FROM seq_1_to_1000")
    at = mounts(world)
    assert list((at["binlog"] / "binlog").glob("binlog.0*"))
    assert not list((at["data"] / "data").glob("binlog.*"))
    assert (at["user_log"] / "database.log").stat().st_size
    assert len(extended(world, declared(sizes | {"binlog": 4}, document))) == 1
    lose_server(world, declared(sizes | {"binlog": 4}, document))
    assert ask("SELECT COUNT(*) FROM items") == 1000
    assert not world.converge(desire("")).actions
    assert world.cloud.observe().volumes == []


def test_the_write_ahead_log_keeps_its_volume_through_backup_and_upgrade(
    world: LocalWorld,
) -> None:
    sizes = {"data": 1, "wal": 1}
    before = INSTANCE % ("one", "postgresql", "13", SHOP) + DATABASE
    assert not world.converge(declared(sizes, before)).actions

    def ask(name: str, query: str) -> Any:
        host, password = world.address(name), world.password("one", "app@")
        return postgresql(host, "app", password, query, "shop")

    ask("one", "CREATE TABLE items AS SELECT generate_series(1, 1000) AS id")
    link = mounts(world)["data"] / "data" / "pg_wal"
    wal = mounts(world)["wal"] / "wal" / "pg_wal"
    for version in ("13", "15"):
        now = INSTANCE % ("one", "postgresql", version, SHOP) + DATABASE
        assert not world.converge(declared(sizes, now)).actions
        assert link.is_symlink() and link.resolve() == wal.resolve()
        assert list(wal.glob("0000*"))
        lose_server(world, declared(sizes, now))
        assert ask("one", "SELECT COUNT(*) FROM items") == 1000

    backup = """
apiVersion: gitrove/v1
kind: Backup
metadata: {name: kept}
spec: {instance: one}
"""
    copy = (
        INSTANCE % ("two", "postgresql", "15", SHOP) + DATABASE + "  restoreFrom: {backup: kept}\n"
    )
    assert not world.converge(declared(sizes, now, backup)).actions
    assert not world.converge(declared(sizes, now, backup, copy)).actions
    assert (mounts(world, "two")["data"] / "data" / "pg_wal").is_symlink()
    host, password = world.address("two"), world.password("two", "app@")
    assert postgresql(host, "app", password, "SELECT COUNT(*) FROM items", "shop") == 1000


def test_what_a_datastore_has_no_use_for_is_refused_and_a_layout_does_not_change(
    world: LocalWorld,
) -> None:
    document = INSTANCE % ("one", "redis", "7.0", EVERYTHING)
    with pytest.raises(SpecProblems, match=r'no volume of the kind "binlog" \(split\)'):
        declared({"data": 1, "binlog": 1}, document)
    with pytest.raises(SpecProblems, match="no volume of the kind data"):
        declared({"user_log": 1}, document)
    desired = declared({"data": 1, "user_log": 1}, document)
    assert not world.converge(desired).actions
    cache(world.address("one"), "app", world.password("one", "app@"), "SET colour red")
    (told,) = world.plan(declared({"data": 1}, document)).obstacles
    assert "volumeLayout cannot change in place" in told.text
