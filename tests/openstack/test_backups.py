"""Backups in Swift: taken by guests that hold no login of the cloud, through every fault."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from executors.errors import Passing
from executors.keys import ControlKey
from executors.storage.interface import Access
from executors.storage.swift import Swift
from guest_agent.contract.errors import GuestError
from guest_agent.toolkit.processes import wait_until
from guest_agent.toolkit.storage import open_storage
from tests.devcloud import bootstrap
from tests.support.backups import backup, count, instance, together, write
from tests.support.databases import KINDS, Kind
from tests.support.fault_proxy import Fault, FaultProxy, OnceEach
from tests.support.openstack import OpenStackWorld, clouds_with
from tests.support.storages import keeps_objects
from tests.support.worlds import LocalWorld, desire


def test_a_container_keeps_objects(openstack_world: OpenStackWorld) -> None:
    keeps_objects(openstack_world.storage)


def test_two_control_planes_share_a_container_and_a_third_is_refused(
    openstack_world: OpenStackWorld, tmp_path: Path
) -> None:
    container = openstack_world.container("devcloud-tests")
    others = [
        Swift(replace(container, url_key=ControlKey(secrets.token_bytes(32), tmp_path).url_key(n)))
        for n in "ab"
    ]
    own = Swift(container)
    access = Access(60, read=["data/"], write=["data/"], delete=["data/"])
    guests = [open_storage(each.lent(access)) for each in (own, others[0])]
    for number, guest in enumerate(guests):
        guest.put(f"data/{number}", b"rows")
    with pytest.raises(GuestError, match="two other control-plane keys"):
        others[1].lent(access)
    assert own.names("data/") == ["data/0", "data/1"]


def test_swift_itself_refuses_what_was_not_lent(openstack_world: OpenStackWorld) -> None:
    store = openstack_world.storage
    store.put("data/mine/0", b"rows")
    store.put("data/other/0", b"secret")
    lent = store.lent(Access(60, read=["data/mine/"]))
    assert open_storage(lent).get("data/mine/0") == b"rows"
    (grant,) = lent["grants"]

    def forged(**changes: Any) -> Any:
        return open_storage(lent | {"grants": [grant | changes]})

    for guest, name in (
        (forged(prefix="data/other/"), "data/other/0"),
        (forged(prefix="data/"), "data/other/0"),
        (forged(expires=grant["expires"] + 1), "data/mine/0"),
    ):
        with pytest.raises(GuestError, match=r"refuses this guest \(401\)"):
            guest.get(name)
    with pytest.raises(GuestError, match=r"refuses this guest \(401\)"):
        forged(method="PUT").put("data/mine/0", b"altered")
    short = store.lent(Access(-1, read=["data/mine/"]))
    short["grants"][0] |= {"expires": time.time() + 60}
    with pytest.raises(GuestError, match=r"refuses this guest \(401\)"):
        open_storage(short).get("data/mine/0")


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_backed_up_and_restored_on_servers(kind: Kind, openstack_world: OpenStackWorld) -> None:
    world = openstack_world
    archived = {"pointInTimeRecovery": True} if kind.databases else {}
    one, first = instance(kind, "one", **archived), backup("first")
    world.converge(world.desire(together(one)))
    write(world, kind, 1)
    assert world.converge(world.desire(together(one, first))).actions == []
    write(world, kind, 2)
    two = instance(kind, "two", restoreFrom={"backup": "first"})
    declared = [one, first, two]
    if kind.databases:
        written = time.time()
        assert wait_until(lambda: world.report("one").archive.until > written + 2, 60)
        until = datetime.fromtimestamp(int(written) + 1, UTC).isoformat()
        point = {"instance": "one", "pointInTime": until}
        declared.append(instance(kind, "three", restoreFrom=point))
    assert world.converge(world.desire(together(*declared))).actions == []
    assert (count(world, kind, "one"), count(world, kind, "two")) == (2, 1)
    if kind.databases:
        assert count(world, kind, "three") == 2
    # Everything of the instance goes with its last backup, and nothing is left.
    assert world.converge(world.desire(together(first))).actions == []
    assert world.storage.names("data/")
    world.converge(world.desire(""))
    assert world.storage.names("") == []


@dataclass(kw_only=True)
class SwiftWorld(LocalWorld):
    """Instances on this machine whose backups go to Swift."""

    container: Any

    @property
    def storage(self) -> Swift:  # type: ignore[override]
        return Swift(self.container)


Through = Callable[[Fault], SwiftWorld]


@pytest.fixture
def through(
    openstack_world: OpenStackWorld, local_world: LocalWorld, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Through]:
    """A world whose Swift is behind a proxy with a fault."""
    layout = openstack_world.layout
    proxies: list[FaultProxy] = []

    def made(fault: Fault) -> SwiftWorld:
        with bootstrap.connected(layout, "devcloud-tests") as connection:
            url: Any = connection.object_store.get_endpoint()
        proxies.append(FaultProxy(url, fault))
        override = {"object_store_endpoint_override": proxies[-1].url}
        path = clouds_with("faulty", override, layout, local_world.folder)
        monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", str(path))
        fields = {name: getattr(local_world, name) for name in local_world.__dataclass_fields__}
        container = openstack_world.container("faulty")
        url_key = local_world.key.url_key(container.name)
        return SwiftWorld(**fields, container=replace(container, url_key=url_key))

    yield made
    for proxy in proxies:
        proxy.close()


@pytest.mark.parametrize("fault", ["503", "500", "429", "408", "reset", "lost", "cut"])
def test_every_request_goes_wrong_once_and_the_rows_come_back(fault: str, through: Through) -> None:
    once = OnceEach(fault)
    world = through(once)
    kind = KINDS[0]
    one, first = instance(kind, "one"), backup("first")
    world.converge(desire(together(one)))
    write(world, kind, 1)
    assert world.apply(desire(together(one, first))).succeeded
    two = instance(kind, "two", restoreFrom={"backup": "first"})
    assert world.apply(desire(together(one, first, two))).succeeded
    assert count(world, kind, "two") == 1
    assert world.apply(desire(together(one, two))).succeeded
    assert world.storage.names("") == []
    assert {method for method, _ in once.seen} >= {"GET", "PUT", "DELETE"}


def test_a_storage_that_is_away_fails_the_backup_and_the_next_is_taken(through: Through) -> None:
    away = threading.Event()
    world = through(lambda method, path: "503" if away.is_set() and "/data/" in path else "")
    kind = KINDS[1]
    one, first = instance(kind, "one"), backup("first")
    world.converge(desire(together(one)))
    write(world, kind, 1)
    away.set()
    (failed,) = world.apply(desire(together(one, first))).failed
    assert "the storage cannot be written (503)" in failed.message
    assert "temp_url" not in failed.message + failed.details
    (stored,) = world.observe().backups
    assert not stored.complete and "503" in stored.fault
    agent = (world.place("one") / "agent.log").read_text()
    assert "temp_url_sig" not in agent
    away.clear()
    assert world.converge(desire(together(one, first))).actions == []
    assert world.observe().backups[0].complete


def test_a_slow_storage_only_takes_longer(through: Through) -> None:
    def slow(method: str, path: str) -> str:
        # The slowness itself, not a wait for something.
        time.sleep(1.0 if method == "PUT" else 0.0)
        return ""

    world, kind = through(slow), KINDS[2]
    one, first = instance(kind, "one"), backup("first")
    world.converge(desire(together(one)))
    write(world, kind, 1)
    assert world.converge(desire(together(one, first))).actions == []
    assert world.observe().backups[0].complete


def test_a_controller_without_swift_says_so_and_changes_nothing(through: Through) -> None:
    away = threading.Event()
    world = through(lambda method, path: "503" if away.is_set() else "")
    kind = KINDS[2]
    world.converge(desire(together(instance(kind, "one"))))
    away.set()
    with pytest.raises(Passing, match="the storage cannot be listed"):
        world.observe()
    assert world.process("one").is_running()
