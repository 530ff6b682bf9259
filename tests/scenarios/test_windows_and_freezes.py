"""What must wait waits, on a real daemon and real servers; what breaks is repaired meanwhile."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import psutil

from guest_agent.toolkit.processes import wait_until
from tests.support.daemons import Daemon
from tests.support.shell import Shell

CACHE = """
apiVersion: gitrove/v1
kind: Instance
metadata: {name: cache}
spec:
  datastore: {name: redis}
  flavor: %s
  volume: {size: 1}
  users: [%s]
"""
READER = "{name: reader}"


def row(shell: Shell) -> dict[str, Any]:
    rows = json.loads(shell.run("status", "--output", "json"))
    return dict(rows[0]) if rows else {}


def users(shell: Shell) -> list[str]:
    told = json.loads(shell.run("show", "cache", "--output", "json"))
    return [each["name"] for each in told.get("users", [])]


def server(shell: Shell) -> psutil.Process | None:
    """The Redis of this shell's only instance."""
    where = f"{row(shell)['address']}:6379"
    for process in psutil.process_iter(["cmdline"]):
        if where in " ".join(process.info["cmdline"] or []):
            return process
    return None


def test_a_window_and_a_freeze(shell: Shell) -> None:
    for each in (shell.repository / "databases").iterdir():
        each.unlink()
    settings = shell.repository / "gitrove.yaml"
    plain = settings.read_text()
    now = datetime.now(UTC)
    far = now + timedelta(days=40)
    closed = f'windows: [{{cron: "0 3 {far.day} {far.month} *", duration: 1h}}]'
    begins, ends = (f"{now + timedelta(days=days):%Y-%m-%dT%H:%M:%SZ}" for days in (-1, 1))
    freeze = f'freezes: [{{begins: "{begins}", ends: "{ends}", reason: holidays}}]'

    def commit(flavor: str, users: str = "", *rules: str) -> None:
        settings.write_text(f"{plain}reconcile: {{{', '.join(['interval: 1', *rules])}}}\n")
        (shell.repository / "databases" / "cache.yaml").write_text(CACHE % (flavor, users))
        shell.commit()

    commit("tiny")
    daemon = Daemon(shell)
    try:
        assert wait_until(lambda: row(shell).get("since", "") != "", 60), daemon.log.read_text()
        # Outside its window nothing interrupts; what nobody notices is done.
        commit("tiny", READER, closed)
        assert wait_until(lambda: users(shell) == ["reader"], 30), daemon.log.read_text()
        commit("small", READER, closed)
        assert wait_until(lambda: "waits for the window at" in row(shell)["reason"], 30)
        assert row(shell)["flavor"] == "tiny"
        # Frozen, not even that; but what breaks is repaired.
        commit("small", "", freeze)
        assert wait_until(lambda: "(holidays)" in row(shell)["reason"], 30), row(shell)
        before = server(shell)
        assert before is not None
        before.kill()
        assert wait_until(lambda: server(shell) not in (None, before), 30), daemon.log.read_text()
        assert wait_until(lambda: row(shell)["health"] == "Healthy", 30), row(shell)
        assert users(shell) == ["reader"] and row(shell)["flavor"] == "tiny"
        # An open window lets it in.
        commit("small", "", 'windows: [{cron: "* * * * *", duration: 5m}]')
        assert wait_until(lambda: row(shell)["flavor"] == "small", 30), daemon.log.read_text()
        assert wait_until(lambda: users(shell) == [], 30), daemon.log.read_text()
        assert daemon.end() == 0
    finally:
        daemon.process.kill()
        daemon.process.wait(60)
