"""The daemon on real servers: it takes what is due, survives mistakes and kill -9, and lets go."""

from __future__ import annotations

import json
import signal
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from guest_agent.toolkit.processes import wait_until
from tests.support.daemons import Daemon
from tests.support.free_port import free_address
from tests.support.shell import Shell

SCHEDULE = """
apiVersion: gitrove/v1
kind: BackupSchedule
metadata: {name: often}
spec:
  cron: "* * * * *"
  targets: {instances: [orders, ledger]}
  fullEvery: 3
  retention: {count: 1}
"""


@pytest.fixture
def shell(short_folder: Path) -> Iterator[Shell]:
    shell = Shell(short_folder)
    shell.run("init", "shop")
    (shell.repository / "databases" / "often.yaml").write_text(SCHEDULE)
    shell.commit()
    shell.run("apply", "--yes")
    yield shell
    shell.run("local", "down")


@pytest.fixture
def start(shell: Shell) -> Iterator[Callable[..., Daemon]]:
    """Starts daemons, which end with the test."""
    daemons: list[Daemon] = []

    def started(*options: str) -> Daemon:
        daemons.append(Daemon(shell, *options))
        return daemons[-1]

    yield started
    for daemon in daemons:
        daemon.process.kill()
        daemon.process.wait(60)


def rows(shell: Shell, *command: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(shell.run(*command, "--output", "json"))
    return found


def test_a_daemon_takes_what_is_due_and_the_next_one_goes_on(
    shell: Shell, start: Callable[..., Daemon]
) -> None:
    assert [r["instances"] for r in rows(shell, "schedule", "list")] == ["ledger, orders"]
    first = start()
    first.says("watching")
    assert wait_until(lambda: len(rows(shell, "backup", "list")) == 2, 90), first.log.read_text()
    first.says("done shop/ledger")
    broken = shell.repository / "databases" / "often.yaml"
    broken.write_text(SCHEDULE.replace("cron:", "corn:"))
    shell.commit()
    first.says("has mistakes: databases/often.yaml:6:3: spec.cron is missing; the last good")
    first.end(signal.SIGKILL)
    broken.write_text(SCHEDULE)
    shell.commit()
    where = free_address()
    second = start("--listen", where)
    second.ready(where)
    with urllib.request.urlopen(f"http://{where}/metrics") as answer:
        figures = answer.read().decode()
    assert 'gitrove_backup_age_seconds{instance="orders",project="shop"}' in figures
    assert 'gitrove_database_up{instance="cache",project="shop"} 1.0' in figures
    states = [r["state"] for r in rows(shell, "schedule", "executions")]
    assert "SUCCESS" in states
    assert "SUCCESS" in shell.run("schedule", "run", "often")
    assert second.end() == 0
    found = rows(shell, "backup", "list")
    kept = {(r["instance"], r["kind"]) for r in found}
    wanted = {("shop/ledger", "full"), ("shop/orders", "full"), ("shop/orders", "incremental")}
    assert wanted <= kept
    assert [r["state"] for r in found] == ["COMPLETED"] * len(found)


def test_a_schedule_verifies_what_it_took_and_others_are_told(shell: Shell) -> None:
    (shell.repository / "databases" / "often.yaml").write_text(
        SCHEDULE.replace("fullEvery: 3", "verifyEvery: 1")
    )
    with (shell.repository / "gitrove.yaml").open("a") as settings:
        settings.write("notifications: {log: {driver: file, path: told.jsonl}}\n")
    shell.commit()
    said = shell.run("schedule", "run", "often")
    assert "SUCCESS shop/orders" in said and "Backup complete and restored: scratch, shop" in said
    servers = json.loads(shell.run("observe"))["cloud"]["servers"]
    assert sorted(each["name"] for each in servers) == ["cache", "ledger", "orders"]
    lines = (shell.repository / "told.jsonl").read_text().splitlines()
    types = [(e["subject"], e["type"].rpartition(".")[2]) for e in map(json.loads, lines)]
    for instance in ("shop/orders", "shop/ledger"):
        assert types.index((instance, "start")) < types.index((instance, "end"))


def test_a_backup_is_verified_by_a_restore_that_leaves_nothing(shell: Shell) -> None:
    shell.run("backup", "create", "orders", "--name", "one")
    assert "one can be restored. It has: scratch, shop" in shell.run("backup", "verify", "one")
    storage = Path(shell.environment["GITROVE_HOME"]) / "backups"
    (segment,) = storage.glob("data/**/000000")
    raw = segment.read_bytes()
    segment.write_bytes(raw[:-1] + bytes([raw[-1] ^ 1]))
    assert "is damaged" in shell.run("backup", "verify", "one", expect=1)
    servers = json.loads(shell.run("observe"))["cloud"]["servers"]
    assert sorted(each["name"] for each in servers) == ["cache", "ledger", "orders"]
    assert "No changes" in shell.run("plan", "--detailed-exitcode")
