"""Backups of every datastore on real servers: what was committed comes back, or is refused."""

from __future__ import annotations

import json
import math
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from executors.keys import ControlKey
from guest_agent.contract import backup as contract
from guest_agent.toolkit.processes import wait_until
from planners.observed import StoredBackup
from tests.support.backups import ask, backup, count, declared, instance, write
from tests.support.databases import KINDS, Kind
from tests.support.worlds import LocalWorld


@pytest.fixture(params=KINDS, ids=lambda kind: kind.name)
def kind(request: pytest.FixtureRequest) -> Kind:
    found: Kind = request.param
    return found


def stored(world: LocalWorld, name: str) -> StoredBackup:
    return next(each for each in world.observe().backups if each.name == name)


@pytest.fixture
def one(kind: Kind, local_world: LocalWorld) -> Iterator[LocalWorld]:
    """A world with an instance ``one`` that has one row."""
    local_world.converge(declared(instance(kind)))
    write(local_world, kind, 1)
    yield local_world


def objects(world: LocalWorld, pattern: str) -> list[Path]:
    return sorted(world.storage.root.glob(pattern))


def test_a_backup_is_restored_into_a_new_instance(kind: Kind, one: LocalWorld) -> None:
    assert one.converge(declared(instance(kind), backup("first"))).actions == []
    write(one, kind, 2)
    taken = stored(one, "first")
    assert taken.complete and taken.version.startswith(taken.version.partition(".")[0])
    assert taken.raw_bytes > 0 and taken.stored_bytes > 0 and taken.origin == "declared"
    far = backup("far", storage="offsite")
    one.converge(declared(instance(kind), backup("first"), far))
    assert (stored(one, "first").storage, stored(one, "far").storage) == ("", "offsite")
    write(one, kind, 3)
    two = instance(kind, "two", restoreFrom={"backup": "first"})
    three = instance(kind, "three", restoreFrom={"backup": "far"})
    wanted = declared(instance(kind), backup("first"), far, two, three)
    assert "it gets the data of one as of" in str(one.plan(wanted))
    assert one.converge(wanted).actions == []
    assert [count(one, kind, name) for name in ("one", "two", "three")] == [3, 1, 2]
    agent = json.loads((one.place("two") / "agent.json").read_text())
    assert one.report("two").status == "running" and agent["secret"]


def test_what_is_not_declared_is_left_alone_after_a_restore(kind: Kind, one: LocalWorld) -> None:
    root = instance(kind, root={"enabled": True})
    one.converge(declared(root))
    one.converge(declared(root, backup("first")))
    two = instance(kind, "two", restoreFrom={"instance": "one"}, databases=[], users=[])
    wanted = declared(root, backup("first"), two)
    assert one.converge(wanted).actions == []
    report = one.report("two")
    assert [d.name for d in report.databases] == (["store"] if kind.databases else [])
    assert "app" in [u.name for u in report.users]
    assert not any(d.managed for d in report.databases) and report.root.ever_enabled


def test_a_damaged_segment_is_refused_before_anything_is_touched(
    kind: Kind, one: LocalWorld
) -> None:
    one.converge(declared(instance(kind), backup("first")))
    path = objects(one, "data/**/000000")[0]
    good = path.read_bytes()
    path.write_bytes(good[:100] + bytes([good[100] ^ 1]) + good[101:])
    wanted = declared(
        instance(kind), backup("first"), instance(kind, "two", restoreFrom={"backup": "first"})
    )
    outcome = one.apply(wanted)
    assert [e.action.item for e in outcome.failed] == ["database server"]
    assert "cannot be restored" in outcome.failed[0].message
    assert "000000 is damaged" in outcome.failed[0].message
    volume = one.folder / "cloud" / "volumes" / one.server("two").id / "mount"
    assert not (volume / "data").exists()
    path.write_bytes(good)
    assert one.converge(wanted).actions == []
    assert count(one, kind, "two") == 1


def test_another_control_plane_key_is_said_before_a_guest_is_asked(
    kind: Kind, one: LocalWorld
) -> None:
    one.converge(declared(instance(kind), backup("first")))
    manifest = objects(one, f"index/**/{contract.MANIFEST}")[0]
    other = ControlKey(b"o" * 32, Path("/nonexistent")).wrap(b"d" * 32)
    told = contract.decode(manifest.read_bytes())
    manifest.write_bytes(contract.encode(replace(told, key=other)))
    two = instance(kind, "two", restoreFrom={"backup": "first"})
    outcome = one.apply(declared(instance(kind), backup("first"), two))
    assert "was made with another control-plane key" in outcome.failed[0].message


def test_an_agent_killed_during_a_backup_leaves_one_that_failed_and_the_next_is_taken(
    kind: Kind, one: LocalWorld
) -> None:
    wanted = declared(instance(kind), backup("first"))

    def kill(entry: Any) -> None:
        if entry.action.item == "backup first" and entry.state == "started":
            one.process("one", "agent").send_signal(signal.SIGKILL)

    outcome = one.apply(wanted, progress=kill)
    assert [e.action.item for e in outcome.failed] == ["backup first"]
    assert not any(each.complete for each in one.observe().backups)
    assert one.converge(wanted).actions == []
    assert stored(one, "first").complete
    assert objects(one, "data/**/.*") == []


def test_a_backup_removed_from_git_leaves_nothing_in_the_storage(
    kind: Kind, one: LocalWorld
) -> None:
    one.converge(declared(instance(kind), backup("first")))
    plan = one.plan(declared(instance(kind)))
    assert [str(a.impact) for a in plan.actions] == ["data loss"]
    one.converge(declared(instance(kind)))
    assert [p for p in objects(one, "**/*") if p.is_file()] == []


def test_an_instance_that_asks_for_it_leaves_a_final_backup(kind: Kind, one: LocalWorld) -> None:
    one.converge(declared(instance(kind, lifecycle={"onDelete": "finalBackup"})))
    write(one, kind, 2)
    assert one.converge(declared()).actions == []
    (left,) = one.observe().backups
    assert left.origin == "final" and left.complete and one.cloud.observe().volumes == []
    two = declared(instance(kind, "two", restoreFrom={"backup": left.name}))
    assert one.converge(two).actions == []
    assert count(one, kind, "two") == 2


CHAINED = [each for each in KINDS if each.databases]


@pytest.mark.parametrize("kind", CHAINED, ids=lambda kind: kind.name)
def test_a_chain_of_incremental_backups_is_restored_to_each_of_its_points(
    kind: Kind, one: LocalWorld
) -> None:
    documents = [instance(kind), backup("full")]
    one.converge(declared(*documents))
    for number in (1, 2):
        write(one, kind, number)
        documents.append(backup(f"inc{number}", incremental=True))
        one.converge(declared(*documents))
    full, first, second = (stored(one, name) for name in ("full", "inc1", "inc2"))
    assert (first.parent, second.parent) == (full.id, first.id)
    assert first.raw_bytes < full.raw_bytes
    restored = [
        instance(kind, name, restoreFrom={"backup": of})
        for name, of in (("to-full", "full"), ("to-first", "inc1"), ("to-second", "inc2"))
    ]
    assert one.converge(declared(*documents, *restored)).actions == []
    found = [count(one, kind, name) for name in ("to-full", "to-first", "to-second")]
    assert found == [1, 2, 3]
    (obstacle,) = one.plan(declared(instance(kind), backup("inc2", incremental=True))).obstacles
    assert "the backup inc1 is needed by inc2" in obstacle.text


@pytest.mark.parametrize("kind", CHAINED[1:], ids=["postgresql"])
def test_without_its_log_a_server_takes_the_incremental_backup_in_full(
    kind: Kind, one: LocalWorld
) -> None:
    documents = [instance(kind), backup("full"), backup("inc", incremental=True)]
    one.converge(declared(*documents[:2]))
    own = json.loads((one.place("one") / "agent.json").read_text())["secret"]
    drop = "SELECT pg_drop_replication_slot('gitrove_backups')"
    kind.ask(str(one.place("one") / "local" / "runtime"), "os_admin", own, drop)
    write(one, kind, 2)
    one.converge(declared(*documents))
    assert (stored(one, "inc").kind, stored(one, "inc").parent) == ("full", "")
    two = instance(kind, "two", restoreFrom={"backup": "inc"})
    assert one.converge(declared(*documents, two)).actions == []
    assert count(one, kind, "two") == 2
    # From then on there is a log to follow again.
    documents.append(backup("next", incremental=True))
    one.converge(declared(*documents))
    assert stored(one, "next").parent == stored(one, "inc").id


@pytest.mark.parametrize("kind", KINDS[:1], ids=["mariadb"])
def test_a_missing_parent_is_an_obstacle(kind: Kind, one: LocalWorld) -> None:
    documents = [instance(kind), backup("full"), backup("inc", incremental=True)]
    one.converge(declared(*documents[:2]))
    one.converge(declared(*documents))
    for path in objects(one, f"index/**/{stored(one, 'full').id}/*"):
        path.unlink()
    two = instance(kind, "two", restoreFrom={"backup": "inc"})
    (obstacle,) = one.plan(declared(instance(kind), documents[2], two)).obstacles
    assert "inc follows a backup that is missing from the storage" in obstacle.text


@pytest.mark.parametrize("kind", KINDS[:1], ids=["mariadb"])
def test_a_server_killed_during_a_backup_fails_it_and_keeps_its_rows(
    kind: Kind, one: LocalWorld
) -> None:
    wanted = declared(instance(kind), backup("first"))

    def kill(entry: Any) -> None:
        if entry.action.item == "backup first" and entry.state == "started":
            one.process("one").send_signal(signal.SIGKILL)
            one.process_gone("one", "database")

    outcome = one.apply(wanted, progress=kill)
    assert outcome.failed and "backup" in outcome.failed[0].action.item
    assert one.converge(wanted).actions == []
    assert count(one, kind) == 1 and stored(one, "first").complete


LOGGED = [each for each in KINDS if each.databases]


def moments(world: LocalWorld, kind: Kind, stop: threading.Event) -> list[tuple[int, float, float]]:
    """Insert 1, 2, 3, … until *stop*: each number with the times before and after its commit."""
    done: list[tuple[int, float, float]] = []
    while not stop.is_set():
        number, began = len(done) + 1, time.time()
        ask(world, kind, f"INSERT INTO kept VALUES ({number})")
        done.append((number, began, time.time()))
    return done


@pytest.mark.parametrize("kind", LOGGED, ids=lambda kind: kind.name)
def test_a_point_in_time_has_every_row_committed_before_it_and_none_after(
    kind: Kind, one: LocalWorld
) -> None:
    """A writer never rests: not during the backup, nor while the log is archived."""
    archived = instance(kind, pointInTimeRecovery=True)
    one.converge(declared(archived))
    ask(one, kind, "DELETE FROM kept")
    stop = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        writer = pool.submit(moments, one, kind, stop)
        try:
            one.converge(declared(archived, backup("base")))
            finished = stored(one, "base").finished
            # MariaDB's log knows whole seconds only.
            point = math.ceil(finished) + 2.0
            assert wait_until(lambda: one.report("one").archive.until > point + 1, 60)
        finally:
            stop.set()
        done = writer.result()
    one.process("one").send_signal(signal.SIGKILL)
    when = datetime.fromtimestamp(point, UTC).isoformat()
    two = instance(kind, "two", restoreFrom={"instance": "one", "pointInTime": when})
    wanted = declared(archived, backup("base"), two)
    assert one.converge(wanted).actions == []
    host, password = one.address("two"), one.password("two", f"app@{kind.host}")
    found = kind.ask(host, "app", password, "SELECT COUNT(*) FROM kept", "store")
    last = kind.ask(host, "app", password, "SELECT MAX(n) FROM kept", "store")
    before = [number for number, _, after in done if after < point]
    until = [number for number, began, _ in done if began < point]
    assert found == last, "no row between the first and the last is missing"
    assert len(before) <= found <= len(until)
    assert len(before) > 10 and len(done) > len(until)


@pytest.mark.parametrize("kind", LOGGED, ids=lambda kind: kind.name)
def test_the_end_of_the_archive_can_be_restored_after_everything_else_is_lost(
    kind: Kind, one: LocalWorld
) -> None:
    archived = instance(kind, pointInTimeRecovery=True)
    one.converge(declared(archived))
    one.converge(declared(archived, backup("base")))
    write(one, kind, 2)
    written = time.time()
    assert wait_until(lambda: one.report("one").archive.until > written + 1, 60)
    point = math.floor(one.observe().archives[0].until)
    one.converge(declared(backup("base")))
    when = datetime.fromtimestamp(point, UTC).isoformat()
    two = instance(kind, "two", restoreFrom={"instance": "one", "pointInTime": when})
    assert one.converge(declared(backup("base"), two)).actions == []
    assert count(one, kind, "two") == 2
    late = datetime.fromtimestamp(point + 3600, UTC).isoformat()
    three = instance(kind, "three", restoreFrom={"instance": "one", "pointInTime": late})
    (obstacle,) = one.plan(declared(backup("base"), two, three)).obstacles
    assert "the archive of one ends at" in obstacle.text


@pytest.mark.parametrize("kind", LOGGED, ids=lambda kind: kind.name)
def test_an_archive_is_switched_off_and_says_why_it_does_not_go_on(
    kind: Kind, one: LocalWorld
) -> None:
    archived = declared(instance(kind, pointInTimeRecovery=True))
    one.converge(archived)
    (note,) = one.plan(archived).notes
    assert "once there is a full backup" in note.text
    assert wait_until(lambda: bool(one.observe().archives), 60)
    storage = one.storage.root
    storage.rename(storage.with_name("away"))
    storage.write_text("not a folder")
    write(one, kind, 2)
    assert wait_until(lambda: bool(one.report("one").archive.fault), 60)
    (note,) = one.plan(archived).notes
    assert "the log is not archived: the storage cannot be" in note.text
    storage.unlink()
    storage.with_name("away").rename(storage)
    assert wait_until(lambda: not one.report("one").archive.fault, 60)
    assert one.converge(declared(instance(kind))).actions == []
    assert not one.report("one").archive.enabled
