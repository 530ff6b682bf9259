"""What ``gitrove init`` writes runs on an OpenStack when its cloud is named, and nothing else."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.devcloud.layout import Layout
from tests.support.databases import cache, mariadb, postgresql
from tests.support.shell import Shell


@pytest.fixture
def shell(devcloud: Layout, tmp_path: Path) -> Iterator[Shell]:
    shell = Shell(tmp_path, f"shop-{uuid.uuid4().hex[:8]}")
    shell.run("init", shell.repository.name)
    settings = shell.repository / "gitrove.yaml"
    named = "driver: openstack\n    cloud: devcloud-tests\n    network: databases"
    settings.write_text(settings.read_text().replace("driver: local", named))
    shell.commit()
    yield shell
    shell.run("destroy", "--yes")


def test_the_quickstart(shell: Shell) -> None:
    assert "18 to create" in shell.run("plan")
    assert "18 actions done" in shell.run("apply", "--yes")
    assert "No changes" in shell.run("plan", "--detailed-exitcode")
    rows = json.loads(shell.run("status", "--output", "json"))
    assert {row["health"] for row in rows} == {"Healthy"}
    for name, ask, query in (
        ("orders", mariadb, "SELECT 1"),
        ("ledger", postgresql, "SELECT 1"),
        ("cache", cache, "PING"),
    ):
        login = json.loads(shell.run("credentials", name, "--output", "json"))[0]
        assert ask(login["host"], login["user"], login["password"], query)
    assert "3 instances" in shell.run("destroy", "--yes")
    assert "Missing" in shell.run("status")
