"""Where backups stand on their line, and how long things have been so."""

from __future__ import annotations

from planners.observed import StoredBackup
from reconciler.web.pages import ago, timeline


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
