"""What goes wrong on a real machine: killed programs, full disks, taken ports, lost journals."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import threading
from pathlib import Path

from executors.engine import Sink
from planners.steps import Prepare
from reconciler.applying import Stale
from tests.scenarios.test_killed_controller import DyingSink
from tests.support.databases import mariadb
from tests.support.worlds import LocalWorld, desire

THREE = """
apiVersion: gitrove/v1
kind: Instance
metadata: {name: orders}
spec:
  datastore: {name: mariadb}
  flavor: tiny
  volume: {size: 1}
  databases: [{name: store}]
  users: [{name: app, grants: [{database: store}]}]
---
apiVersion: gitrove/v1
kind: Instance
metadata: {name: ledger}
spec:
  datastore: {name: postgresql}
  flavor: tiny
  volume: {size: 1}
  databases: [{name: books}]
---
apiVersion: gitrove/v1
kind: Instance
metadata: {name: cache}
spec:
  datastore: {name: redis}
  flavor: tiny
  volume: {size: 1}
  users: [{name: web}]
"""
ONE = THREE.partition("---")[0]
CACHE = THREE.rpartition("---")[2]


def killed_at(world: LocalWorld, text: str, last: int) -> bool:
    """Apply in another process that kills itself after its *last* journal record."""
    child = os.fork()
    if child == 0:
        try:

            def wrap(sink: Sink) -> Sink:
                return DyingSink(sink, last, after=True)

            again = world.again()
            while True:
                # What a killed run left running in a guest may still change it: plan again.
                with contextlib.suppress(Stale):
                    again.apply(desire(text), wrap, concurrency=2)
                    os._exit(0)
        finally:
            os._exit(3)
    status = os.waitpid(child, 0)[1]
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0
    return os.WIFSIGNALED(status)


def test_kill_9_of_the_controller_at_each_of_many_steps(local_world: LocalWorld) -> None:
    """One world, killed at the first or second record of what is left, until an apply ends."""
    deaths = 0
    while killed_at(local_world, THREE, last=1 + deaths % 2):
        deaths += 1
        assert deaths < 60
    assert deaths >= 10
    assert local_world.converge(desire(THREE)).actions == []
    state = local_world.cloud.observe()
    for pieces in (state.servers, state.volumes, state.ports):
        assert sorted(piece.name for piece in pieces) == ["cache", "ledger", "orders"]
    password = local_world.password("orders", "app@%")
    address = local_world.address("orders")
    mariadb(address, "app", password, "CREATE TABLE t (i INT)", "store")
    mariadb(address, "app", password, "INSERT INTO t VALUES (42)", "store")
    while killed_at(local_world, THREE.replace("tiny", "small"), last=1 + deaths % 2):
        deaths += 1
    assert local_world.converge(desire(THREE.replace("tiny", "small"))).actions == []
    assert mariadb(address, "app", password, "SELECT i FROM t", "store") == 42


def test_a_state_folder_that_the_servers_user_cannot_enter_is_said(
    local_world: LocalWorld,
) -> None:
    local_world.folder.chmod(0o700)
    outcome = local_world.apply(desire(CACHE))
    (failed,) = outcome.failed
    assert f"may not pass through {local_world.folder}; run: chmod o+x" in failed.message
    local_world.folder.chmod(0o711)
    assert local_world.converge(desire(CACHE)).actions == []


def test_a_lost_journal_changes_and_destroys_nothing(local_world: LocalWorld) -> None:
    desired = desire(THREE)
    local_world.converge(desired)
    local_world.journal.close()
    for path in local_world.folder.glob("journal.db*"):
        path.unlink()
    fresh = local_world.again()
    assert fresh.plan(desired).actions == []
    assert fresh.apply(desired).succeeded
    fresh.cloud.stop_server(fresh.server("orders").id)
    for volume in (local_world.folder / "cloud" / "volumes").iterdir():
        subprocess.run(["rm", "-rf", str(volume)], check=True)
    plan = fresh.plan(desire(ONE), targets=list(desire(ONE).instances))
    assert "incident" in plan.obstacles[0].text


def test_an_agent_killed_in_the_middle_of_an_action(local_world: LocalWorld) -> None:
    """The apply meets a dead guest, fails clearly, and the next one finishes the work."""
    desired = desire(ONE)
    killers: list[threading.Thread] = []

    def kill_agent_soon(entry: object) -> None:
        action = getattr(entry, "action", None)
        if action is not None and isinstance(action.step, Prepare) and not killers:
            killers.append(threading.Thread(target=_kill_when_preparing, args=(local_world,)))
            killers[0].start()

    local_world.apply(desired, progress=kill_agent_soon)
    killers[0].join()
    plan = local_world.converge(desired)
    assert plan.actions == []
    assert len(local_world.cloud.observe().servers) == 1
    assert local_world.report("orders").status == "running"


def _kill_when_preparing(world: LocalWorld) -> None:
    marks = world.folder / "cloud" / "volumes" / world.server("orders").id / "mount" / ".gitrove"
    while not (marks / "prepare.start").exists():
        pass
    world.process("orders", "agent").send_signal(signal.SIGKILL)


def test_a_killed_agent_leaves_the_database_serving(local_world: LocalWorld) -> None:
    desired = desire(ONE)
    local_world.converge(desired)
    born = local_world.process("orders").create_time()
    local_world.process("orders", "agent").send_signal(signal.SIGKILL)
    local_world.process_gone("orders", "agent")
    password = local_world.password("orders", "app@%")
    assert mariadb(local_world.address("orders"), "app", password, "SELECT 1") == 1
    plan = local_world.plan(desired)
    assert [type(action.step).__name__ for action in plan.actions] == ["StartServer"]
    assert local_world.converge(desired).actions == []
    assert local_world.process("orders").create_time() == born


def test_a_taken_port_is_a_clear_fault(local_world: LocalWorld) -> None:
    desired = desire(CACHE)
    made = local_world.plan(desired)
    ports = [a for a in made.actions if type(a.step).__name__ == "CreatePort"]
    assert ports
    first = local_world.network.replace("0/24", "1")
    with socket.create_server((first, 6379)) as holder:
        outcome = local_world.apply(desired)
        assert [e.action.item for e in outcome.failed] == ["database server"]
        assert outcome.failed[0].message == "redis-server did not start"
        assert "Address already in use" in outcome.failed[0].details
        assert outcome.skipped == ["shop/cache:user web:CreateUser"]
        assert local_world.report("cache").fault == "redis-server did not start"
        holder.close()
    assert local_world.converge(desired).actions == []


def test_a_full_disk_is_a_clear_fault_and_heals(local_world: LocalWorld) -> None:
    """The volume folder is a real file system of 24 MiB: too small, then large enough."""
    desired = desire(ONE)
    instance = next(iter(local_world.plan(desired).actions)).step.instance
    mount = local_world.folder / "cloud" / "volumes" / instance.replace("-", "")[:16] / "mount"
    mount.mkdir(parents=True)
    small_disk(mount, "24m")
    try:
        outcome = local_world.apply(desired)
        assert [e.action.item for e in outcome.failed] == ["database server"]
        assert "mariadb" in outcome.failed[0].message
        assert any(word in outcome.failed[0].details for word in ("No space left", "28", "full"))
        subprocess.run(["mount", "-o", "remount,size=600m", str(mount)], check=True)
        assert local_world.converge(desired).actions == []
    finally:
        for server in local_world.cloud.servers():
            local_world.cloud.stop_server(server.id)
        subprocess.run(["umount", "-l", str(mount)], check=True)


def small_disk(mount: Path, size: str) -> None:
    options = f"size={size},mode=711"
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(mount)], check=True)


def test_the_local_cloud_survives_its_own_restart(local_world: LocalWorld) -> None:
    desired = desire(THREE)
    local_world.converge(desired)
    for server in local_world.cloud.servers():
        local_world.cloud.stop_server(server.id)
    assert {s.status for s in local_world.cloud.observe().servers} == {"SHUTOFF"}
    again = local_world.again()
    for server in again.cloud.servers():
        again.cloud.start_server(server.id)
    again.wait_until_running("orders", "ledger", "cache")
    assert again.plan(desired).actions == []


def test_a_lost_server_gets_its_volume_back(local_world: LocalWorld) -> None:
    desired = desire(ONE)
    local_world.converge(desired)
    password, address = local_world.password("orders", "app@%"), local_world.address("orders")
    mariadb(address, "app", password, "CREATE TABLE t AS SELECT 42 AS i", "store")
    local_world.cloud.delete_server(local_world.server("orders").id)
    plan = local_world.plan(desired)
    assert "attached again" in plan.actions[0].reason
    assert local_world.converge(desired).actions == []
    assert mariadb(address, "app", password, "SELECT i FROM t", "store") == 42


def test_a_volume_with_foreign_data_is_never_wiped(local_world: LocalWorld) -> None:
    desired = desire(CACHE)
    instance = next(iter(local_world.plan(desired).actions)).step.instance
    volume = local_world.folder / "cloud" / "volumes" / instance.replace("-", "")[:16]
    precious = volume / "mount" / "data" / "precious"
    precious.parent.mkdir(parents=True)
    precious.write_text("someone's")
    outcome = local_world.apply(desired)
    assert "data that no prepare of gitrove began" in outcome.failed[0].message
    assert precious.read_text() == "someone's"
