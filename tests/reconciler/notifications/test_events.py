"""Every event of a whole life, with the traits that mitaka-ceilometer-integration defines."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import pytest
import sqlalchemy as sa

from reconciler.journal import tables
from reconciler.journal.journal import Journal
from reconciler.notifications.commits import changes
from tests.support.worlds import SimulatedWorld, desire

# The appendix of the spec, as it names events and their traits.
DEFINED = json.loads((Path(__file__).parent / "definitions.json").read_text())
BASE = {"tenant_id", "client_ip", "server_ip", "server_type", "request_id"}
NOT_THERE_YET = ("cluster", "instance_promote", "instance_eject", "instance_detach.")
BY_COMMITS = ("configuration_",)
WORDS = ("create", "edit", "update", "delete")

INSTANCE = """
apiVersion: gitrove/v1
kind: Instance
metadata: {name: orders}
spec:
  datastore: {name: mariadb}
  flavor: %s
  volume: {size: %d}
  %s
"""
GROUP = """
---
apiVersion: gitrove/v1
kind: ConfigurationGroup
metadata: {name: tuned}
spec: {datastore: {name: mariadb}, values: {max_connections: 55}}
"""
BACKUP = """
---
apiVersion: gitrove/v1
kind: Backup
metadata: {name: kept}
spec: {instance: orders}
"""
USERS = "databases: [{name: shop}], users: [%s]"


@pytest.fixture
def told(world: SimulatedWorld) -> SimulatedWorld:
    world.journal.close()
    world.journal = Journal("sqlite://", notify=True)
    return world


def events(world: SimulatedWorld) -> list[tuple[str, dict[str, object]]]:
    with world.journal.connect() as connection:
        rows = connection.execute(sa.select(tables.outbox).order_by(tables.outbox.c.id))
        return [(row.type, row.payload) for row in rows]


def life(world: SimulatedWorld) -> None:
    """From the first commit to the last, with everything between that has an event."""
    inside = "databases: [{name: shop}]\n  users: [%s]"
    app = "{name: app, grants: [{database: shop}]}"
    two = inside % f"{app}, {{name: old}}"
    renamed = inside % "{name: app2, formerName: app, grants: [{database: shop}]}"
    password = inside % "{name: app2, password: {rotation: 2}, grants: [{database: shop}]}"
    revoked = inside % "{name: app2, password: {rotation: 2}}"
    tuned = "configuration: tuned\n  users: [{name: app2, password: {rotation: 2}}]"
    alone = "users: [{name: app2, password: {rotation: 2}}]"
    for document in (
        INSTANCE % ("tiny", 1, two),
        INSTANCE % ("small", 2, renamed) + BACKUP,
        INSTANCE % ("small", 2, password) + BACKUP,
        INSTANCE % ("small", 2, revoked) + BACKUP,
        INSTANCE % ("small", 2, tuned) + GROUP,
        INSTANCE % ("small", 2, alone),
        "",
    ):
        desired = desire(document)
        world.converge(desired)


def test_every_event_is_told_as_it_is_defined(told: SimulatedWorld) -> None:
    life(told)
    seen = events(told)
    for name, traits in seen:
        assert name in DEFINED, name
        assert BASE | set(DEFINED[name]) <= traits.keys(), name
        assert "(secret)" not in str(traits)
    names = {name for name, _ in seen}
    expected = {
        name
        for name in DEFINED
        if not name.endswith(".error")
        and not name.removeprefix("dbaas.").startswith((*NOT_THERE_YET, *BY_COMMITS))
    }
    assert expected - names <= {
        "dbaas.instance_restart.start",
        "dbaas.instance_restart.end",
        "dbaas.user_grant.start",
        "dbaas.user_grant.end",
    }


def test_configuration_groups_are_told_by_commits() -> None:
    other = GROUP.replace("55", "66")
    another = other.replace("metadata: {", "metadata: {labels: {team: web}, ")
    assert another != other
    texts = ["", GROUP, other, another, ""]
    told = [
        event
        for before, after in pairwise(texts)
        for event in changes(desire(before), desire(after), "alice")
    ]
    names = [f"dbaas.configuration_{v}.{p}" for v in WORDS for p in ("start", "end")]
    assert [event.type for event in told] == names
    for event in told:
        assert BASE | set(DEFINED[event.type]) <= event.payload.keys(), event.type
    assert list(changes(desire(GROUP), desire(GROUP), "alice")) == []


def test_starts_and_ends_belong_together_and_an_instance_has_one_of_each(
    told: SimulatedWorld,
) -> None:
    life(told)
    begun: dict[object, str] = {}
    for name, traits in events(told):
        action, _, phase = name.rpartition(".")
        if phase == "start":
            assert traits["request_id"] not in begun
            begun[traits["request_id"]] = action
        else:
            assert begun.pop(traits["request_id"]) == action
    assert begun == {}
    names = [name for name, _ in events(told)]
    for once in ("instance_create.start", "instance_create.end", "instance_delete.end"):
        assert names.count(f"dbaas.{once}") == 1
    assert names[-1] == "dbaas.instance_delete.end"
    created = next(t for n, t in events(told) if n == "dbaas.instance_create.start")
    assert (created["databases"], created["users"]) == ("shop", "app,old")
    assert (created["volume_size"], created["datastore"]) == (1, "mariadb")
