"""What goes wrong while a backup runs or is restored, on a real PostgreSQL and MariaDB."""

from __future__ import annotations

import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from executors.engine import Entry, State
from guest_agent.toolkit.processes import wait_until
from tests.scenarios.test_local_faults import killed_at, small_disk
from tests.support.databases import postgresql
from tests.support.worlds import LocalWorld, desire

LEDGER = """
apiVersion: gitrove/v1
kind: Instance
metadata: {name: ledger}
spec:
  datastore: {name: postgresql}
  flavor: tiny
  volume: {size: 1}
  databases: [{name: books}]
  users: [{name: app, grants: [{database: books}]}]
"""
BACKED_UP = (
    LEDGER
    + """---
apiVersion: gitrove/v1
kind: Backup
metadata: {name: first}
spec: {instance: ledger}
"""
)
RESTORED = (
    BACKED_UP
    + "---"
    + LEDGER.replace("name: ledger}", "name: copy}", 1).replace(
        "  databases:", "  restoreFrom: {backup: first}\n  databases:"
    )
)


@pytest.fixture
def world(local_world: LocalWorld) -> Iterator[LocalWorld]:
    """A ledger with 24 MiB that zstd cannot make smaller."""
    local_world.converge(desire(LEDGER))
    noise = "SELECT string_agg(md5(random()::text), '') FROM generate_series(1, 1000)"
    ask(local_world, f"CREATE TABLE kept AS SELECT g, ({noise} WHERE g > 0) FROM "
        "generate_series(1, 1500) g")  # fmt: skip
    yield local_world


def ask(world: LocalWorld, query: str, name: str = "ledger") -> object:
    host, password = world.address(name), world.password(name, "app@")
    return postgresql(host, "app", password, query, "books")


def test_a_full_storage_fails_the_backup_clearly_and_the_next_one_is_taken(
    world: LocalWorld,
) -> None:
    storage = world.storage.root
    storage.mkdir(parents=True)
    small_disk(storage, "17m")
    try:
        outcome = world.apply(desire(BACKED_UP))
        (failed,) = outcome.failed
        assert "the storage cannot be written: No space left on device" in failed.message
        subprocess.run(["mount", "-o", "remount,size=200m", str(storage)], check=True)
        assert world.converge(desire(BACKED_UP)).actions == []
        assert world.converge(desire(RESTORED)).actions == []
        assert ask(world, "SELECT count(*) FROM kept", "copy") == 1500
    finally:
        subprocess.run(["umount", "-l", str(storage)], check=True)


def test_kill_9_of_the_controller_during_backup_and_restore(world: LocalWorld) -> None:
    """The guest goes on alone; whoever comes next joins it, and nothing is made twice."""
    for wanted in (BACKED_UP, RESTORED):
        deaths = 0
        while killed_at(world, wanted, last=1 + deaths % 2):
            deaths += 1
        assert deaths >= 1
        assert world.converge(desire(wanted)).actions == []
    (backup,) = world.observe().backups
    assert backup.complete
    folders = list(world.storage.root.glob("data/*/*/*"))
    assert len(folders) == 1
    assert ask(world, "SELECT count(*) FROM kept", "copy") == 1500


def test_an_agent_killed_during_a_restore_begins_it_anew(world: LocalWorld) -> None:
    world.converge(desire(BACKED_UP))

    def kill() -> None:
        volume = world.folder / "cloud" / "volumes" / world.server("copy").id / "mount"
        assert wait_until((volume / ".gitrove" / "prepare.start").exists, 30, 0.001)
        world.process("copy", "agent").send_signal(signal.SIGKILL)

    def kill_soon(entry: Entry) -> None:
        if entry.action.item == "database server" and entry.state is State.STARTED:
            threading.Thread(target=kill).start()

    outcome = world.apply(desire(RESTORED), progress=kill_soon)
    assert not outcome.succeeded
    assert world.converge(desire(RESTORED)).actions == []
    assert ask(world, "SELECT count(*) FROM kept", "copy") == 1500


def test_a_damaged_file_of_the_archive_fails_the_restore_and_is_named(world: LocalWorld) -> None:
    archived = LEDGER.replace("  databases:", "  pointInTimeRecovery: true\n  databases:")
    world.converge(desire(archived))
    archived += BACKED_UP.removeprefix(LEDGER)
    world.converge(desire(archived))
    ask(world, "DELETE FROM kept WHERE g > 1000")
    deleted = time.time()
    assert wait_until(lambda: world.report("ledger").archive.until > deleted + 1, 60)
    when = datetime.fromtimestamp(deleted + 1, UTC).isoformat()
    source = f'restoreFrom: {{instance: ledger, pointInTime: "{when}"}}'
    wanted = desire(
        archived
        + "---"
        + LEDGER.replace("name: ledger}", "name: copy}").replace(
            "  databases:", f"  {source}\n  databases:"
        )
    )
    segment = max(world.storage.root.glob("archive/**/000000"))
    good = segment.read_bytes()
    segment.write_bytes(good[:50] + bytes([good[50] ^ 1]) + good[51:])
    (failed,) = world.apply(wanted).failed
    assert f"{segment.parent.name}/000000 is damaged" in failed.message
    segment.write_bytes(good)
    assert world.converge(wanted).actions == []
    assert ask(world, "SELECT count(*) FROM kept", "copy") == 1000
