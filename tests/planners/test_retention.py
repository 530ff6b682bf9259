"""Retention never takes the last good backup, nor what a kept one builds on."""

from __future__ import annotations

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from planners.backups import chain
from planners.observed import StoredBackup
from planners.retention import expired
from specs.models.backup_schedule import Retention

DAY = 86_400.0
NOW = datetime(2026, 11, 23, 12, tzinfo=UTC).timestamp()


def backup(name: str, days_ago: float, parent: str = "", complete: bool = True) -> StoredBackup:
    when = NOW - days_ago * DAY
    return StoredBackup(
        id=name,
        name=name,
        project="shop",
        instance_name="one",
        instance="i",
        parent=parent,
        began=when - 60,
        finished=when if complete else 0.0,
    )


def gone(backups: list[StoredBackup], **rules: int) -> list[str]:
    return [each.name for each in expired(backups, Retention(**rules), NOW)]


DAILY = [backup(f"d{n}", n) for n in range(40)]


def test_without_rules_everything_stays() -> None:
    assert gone(DAILY) == []


def test_by_count_and_by_age() -> None:
    assert sorted(gone(DAILY, count=37)) == ["d37", "d38", "d39"]
    assert sorted(gone(DAILY, days=38)) == ["d38", "d39"]


def test_a_rule_that_keeps_wins_over_one_that_does_not() -> None:
    assert sorted(gone(DAILY, count=1, days=38)) == ["d38", "d39"]


def test_grandfather_father_son() -> None:
    kept = {b.name for b in DAILY} - set(gone(DAILY, daily=3, weekly=3, monthly=2))
    # 23 November 2026 is a Monday: the last of each week before is a Sunday.
    assert kept == {"d0", "d1", "d2", "d8", "d23"}


def test_the_last_good_backup_stays_however_old_it_is() -> None:
    assert gone([backup("old", 400)], days=1) == []
    assert gone([backup("old", 400), backup("failed", 1, complete=False)], days=1) == []


def test_what_a_kept_one_builds_on_stays() -> None:
    links = [backup("full", 9), backup("a", 8, "full"), backup("b", 7, "a"), backup("new", 1, "b")]
    assert gone(links, count=1) == []


def test_a_chain_goes_from_its_end() -> None:
    links = [backup("full", 9), backup("a", 8, "full"), backup("b", 7, "a"), backup("new", 1)]
    assert gone(links, count=1) == ["b", "a", "full"]


def test_what_was_interrupted_goes_once_a_newer_one_is_complete() -> None:
    assert gone([backup("failed", 5, complete=False), backup("new", 1)]) == ["failed"]


def test_what_one_that_may_be_running_follows_stays() -> None:
    links = [backup("full", 9), backup("new", 2), backup("running", 1, "full", complete=False)]
    assert gone(links, count=1) == []


@given(
    ages=st.lists(st.integers(0, 800), unique=True, max_size=30),
    parents=st.lists(st.integers(0, 30), min_size=30, max_size=30),
    broken=st.sets(st.integers(0, 29)),
    rules=st.fixed_dictionaries(
        {},
        optional={
            name: st.integers(1, 5) for name in ("count", "days", "daily", "weekly", "monthly")
        },
    ),
)
def test_whatever_the_rules_the_rest_can_be_restored(
    ages: list[int], parents: list[int], broken: set[int], rules: dict[str, int]
) -> None:
    backups: list[StoredBackup] = []
    for number, age in enumerate(sorted(ages, reverse=True)):
        complete = [b for b in backups if b.complete]
        parent = complete[parents[number] % len(complete)].id if complete and number % 3 else ""
        backups.append(backup(f"b{number}", age, parent, complete=number not in broken))
    removed = [each.id for each in expired(backups, Retention(**rules), NOW)]
    left = [b for b in backups if b.id not in removed]
    for each in left:
        if each.complete:
            assert chain(each, left)
    if any(b.complete for b in backups):
        newest = max((b for b in backups if b.complete), key=lambda b: b.finished)
        assert newest in left
    for number, identifier in enumerate(removed):
        needing = {b.id for b in backups if b.parent == identifier}
        assert needing <= set(removed[:number])
