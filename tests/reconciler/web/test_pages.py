"""Where backups stand on their line, and how long things have been so."""

from __future__ import annotations

from itertools import chain
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from planners.observed import StoredBackup
from reconciler.health import Health
from reconciler.journal.journal import Journal
from reconciler.journal.resources import Resource, Resources
from reconciler.loop.daemon import Daemon
from reconciler.web.app import make_app
from reconciler.web.pages import ago, fleet, timeline


def backup(name: str, finished: float) -> StoredBackup:
    return StoredBackup(
        id=name, name=name, project="shop", instance_name="one", instance="i", finished=finished
    )


def test_complete_backups_stand_between_the_first_and_now() -> None:
    shown = timeline([backup("c", 150.0), backup("broken", 0.0), backup("a", 100.0)], 200.0)
    assert [(each["backup"].name, each["at"]) for each in shown] == [("a", 0.0), ("c", 50.0)]
    assert timeline([backup("broken", 0.0)], 200.0) == []
    assert timeline([backup("a", 200.0)], 200.0)[0]["at"] == 0.0


def test_the_largest_unit_that_fits() -> None:
    seconds = (-1.0, 0.0, 59.0, 61.0, 7200.0, 200_000.0)
    assert [ago(each) for each in seconds] == ["0 s", "0 s", "59 s", "1 min", "2 h", "2 d"]


@pytest.fixture
def daemon(tmp_path: Path) -> Daemon:
    """One that has only found 450 instances, of which the last is degraded."""
    journal = Journal(f"sqlite:///{tmp_path}/journal.db")
    found = [Resource("here", f"shop/i{n:03}", health=Health.HEALTHY) for n in range(449)]
    Resources(journal).write([*found, Resource("here", "shop/i449", health=Health.DEGRADED)])
    return cast(Daemon, SimpleNamespace(journal=journal, holder="me", living=["me"], followers=[]))


def test_a_large_fleet_has_pages_with_the_ill_on_the_first(daemon: Daemon) -> None:
    shown = [fleet(daemon, "", number) for number in (1, 2, 3)]
    addresses = [[r.address for r in each["resources"]] for each in shown]
    assert addresses[0][:2] == ["shop/i449", "shop/i000"]
    assert sorted(chain.from_iterable(addresses)) == [f"shop/i{n:03}" for n in range(450)]
    assert (shown[0]["pages"], shown[0]["found"]) == (3, 450)
    # What is beyond the end, or nonsense, is the nearest that there is.
    assert fleet(daemon, "", 9)["page"] == 3 and fleet(daemon, "", -1)["page"] == 1
    assert fleet(daemon, "nobody", 1)["resources"] == []


def test_pages_link_to_each_other_and_keep_the_search(daemon: Daemon) -> None:
    client = make_app(daemon, "").test_client()
    text = client.get("/?q=healthy&page=2").get_data(as_text=True)
    assert "page 2 of 3, 449 instances" in text
    assert 'href="/?q=healthy&amp;page=1"' in text and 'href="/?q=healthy&amp;page=3"' in text
    assert "page 1 of 3" in client.get("/?page=nonsense").get_data(as_text=True)
