"""An instance of one repository becomes another's: nothing but its marks changes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.databases import mariadb
from tests.support.shell import Shell

ORDERS = """
apiVersion: gitrove/v1
kind: Instance
metadata: {name: orders}
spec:
  datastore: {name: mariadb, version: "10.11"}
  flavor: small
  volume: {size: 1, type: standard}
  configuration: tuned
  databases: [{name: shop}]
  users: [{name: app, grants: [{database: shop, privileges: [SELECT, INSERT, CREATE]}]}]
---
apiVersion: gitrove/v1
kind: ConfigurationGroup
metadata: {name: tuned}
spec: {datastore: {name: mariadb}, values: {max_connections: 77}}
"""


def repository(folder: Path, name: str, specs: str) -> Shell:
    shell = Shell(folder, name)
    shell.run("init", name)
    databases = shell.repository / "databases"
    for old in databases.iterdir():
        old.unlink()
    (databases / "all.yaml").write_text(specs)
    shell.commit()
    return shell


@pytest.fixture
def shells(short_folder: Path) -> Iterator[tuple[Shell, Shell]]:
    """Two repositories of one person on one local cloud; the first has an instance."""
    theirs = repository(short_folder, "old", ORDERS)
    ours = repository(short_folder, "new", "")
    theirs.run("apply", "--yes")
    yield theirs, ours
    for shell in (ours, theirs):
        shell.run("destroy", "--yes")


def login(shell: Shell) -> dict[str, str]:
    name = f"{shell.repository.name}/orders"
    found: dict[str, str] = json.loads(shell.run("credentials", name, "--output", "json"))[0]
    return found


def test_what_is_adopted_is_declared_as_it_is_and_serves_on(shells: tuple[Shell, Shell]) -> None:
    theirs, ours = shells
    before = login(theirs)
    access = (before["host"], before["user"], before["password"])
    mariadb(*access, "CREATE TABLE items AS SELECT seq AS id FROM seq_1_to_100", "shop")

    assert "orders" in ours.run("adopt") and "old-" in ours.run("adopt")
    assert 'did you mean "orders"' in ours.run("adopt", "order", expect=1)
    ours.run("adopt", "orders", expect=1)  # Nobody is there to say yes.
    adopted = ours.repository / "databases" / "adopted.yaml"
    assert "name: orders" in adopted.read_text()
    # Nothing was marked, so it is still the other's.
    assert "No changes" in theirs.run("plan")
    assert "exists already" in ours.run("adopt", "orders", "--yes", expect=1)

    adopted.unlink()
    told = ours.run("adopt", "orders", "--yes")
    assert "1 to update" in told and "new/orders" in told
    ours.commit()
    assert "No changes" in ours.run("plan")
    assert login(ours) == before
    assert mariadb(*access, "SELECT COUNT(*) FROM items", "shop") == 100
    assert mariadb(*access, "SELECT @@max_connections") == 77

    # To the other repository it is gone; it is an incident there, until it is no longer declared.
    assert "incident" in theirs.run("plan", expect=1)
    (theirs.repository / "databases" / "all.yaml").write_text("")
    theirs.commit()
    assert "No changes" in theirs.run("plan")
    assert "Nothing was found" in ours.run("adopt")
