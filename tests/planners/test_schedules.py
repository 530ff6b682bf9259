"""What is due: missed times once, new schedules from now on, full and incremental in turn."""

from __future__ import annotations

from datetime import UTC, datetime

from planners.observed import Observed, StoredBackup
from planners.schedules import Due, backup, due, latest_time, new, next_time
from planners.steps import TakeBackup
from specs.desired import Address, Desired
from tests.support.worlds import desire

NIGHTLY = Address("shop", "nightly")
ORDERS = Address("shop", "orders")
TEXT = """
apiVersion: gitrove/v1
kind: Instance
metadata: {name: orders, labels: {tier: gold}}
spec: {datastore: {name: mariadb}, flavor: tiny, volume: {size: 1}}
---
apiVersion: gitrove/v1
kind: Instance
metadata: {name: ledger, labels: {tier: gold, region: north}}
spec: {datastore: {name: postgresql}, flavor: tiny, volume: {size: 1}}
---
apiVersion: gitrove/v1
kind: Instance
metadata: {name: cache}
spec: {datastore: {name: redis}, flavor: tiny, volume: {size: 1}}
---
apiVersion: gitrove/v1
kind: BackupSchedule
metadata: {name: nightly}
spec:
  cron: "0 2 * * *"
  timeZone: Europe/Berlin
  targets: {instances: [cache], labels: {tier: gold}}
  fullEvery: 3
"""


def at(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


def everybody(when: str) -> dict[tuple[str, str], float]:
    names = ("cache", "ledger", "orders")
    return {("shop/nightly", f"shop/{name}"): at(when) for name in names}


def desired(**changes: str) -> Desired:
    text = TEXT
    for before, after in changes.items():
        text = text.replace(before, after)
    return desire(text)


def test_targets_are_taken_by_name_and_by_label_and_seen_before_they_are_due() -> None:
    fresh = list(new(desired(), {}))
    assert fresh == [("shop/nightly", f"shop/{name}") for name in ("cache", "ledger", "orders")]
    assert list(due(desired(), {}, at("2026-11-23T12:00"))) == []


def test_due_at_its_time_in_its_zone_and_only_once() -> None:
    last = everybody("2026-11-22T12:00")
    assert list(due(desired(), last, at("2026-11-23T00:59"))) == []
    found = list(due(desired(), last, at("2026-11-23T01:00")))
    assert [d.instance.name for d in found] == ["cache", "ledger", "orders"]
    assert {d.at for d in found} == {at("2026-11-23T01:00")}
    assert list(due(desired(), everybody("2026-11-23T01:00"), at("2026-11-23T12:00"))) == []


def test_times_missed_in_a_month_of_downtime_are_made_up_for_once() -> None:
    found = list(due(desired(), everybody("2026-10-20T12:00"), at("2026-11-23T12:00")))
    assert [d.at for d in found] == [at("2026-11-23T01:00")] * 3


def test_a_clock_that_goes_back_makes_nothing_due_again() -> None:
    assert list(due(desired(), everybody("2026-11-23T01:00"), at("2026-11-22T01:30"))) == []


def test_jitter_spreads_the_instances_and_is_the_same_every_day() -> None:
    spread = desire(TEXT.replace("fullEvery: 3", "jitter: 3600"))

    def when(day: str, before: str) -> dict[str, int]:
        found = {}
        for minute in range(0, 62):
            now = at(f"2026-11-{day}T01:00") + 60 * minute
            for each in due(spread, everybody(before), now):
                assert each.at == at(f"2026-11-{day}T01:00")
                found.setdefault(each.instance.name, minute)
        return found

    monday = when("23", "2026-11-22T12:00")
    assert set(monday) == {"cache", "ledger", "orders"} and len(set(monday.values())) == 3
    assert when("24", "2026-11-23T12:00") == monday


def test_a_disabled_schedule_is_never_due() -> None:
    off = desire(TEXT.replace("fullEvery: 3", "enabled: false"))
    assert list(due(off, everybody("2026-10-20T12:00"), at("2026-11-23T12:00"))) == []


def test_rare_times_are_found_however_long_ago() -> None:
    yearly = desire(TEXT.replace("0 2 * * *", "30 3 1 1 *")).schedules[NIGHTLY]
    assert latest_time(yearly, at("2025-06-01T00:00"), at("2026-11-23T12:00")) == at(
        "2026-01-01T02:30"
    )
    assert next_time(yearly, at("2026-11-23T12:00")) == at("2027-01-01T02:30")


def stored(number: int, parent: str = "") -> StoredBackup:
    return StoredBackup(
        id=f"b{number}",
        name=f"b{number}",
        project="shop",
        instance_name="orders",
        instance="i",
        parent=parent,
        finished=float(number),
    )


def taken(instance: str, *backups: StoredBackup) -> TakeBackup:
    wanted = Due(NIGHTLY, Address("shop", instance), at("2026-11-23T01:00"))
    step = backup(wanted, "i", desired(), Observed(backups=list(backups))).step
    assert isinstance(step, TakeBackup)
    return step


def test_each_third_backup_is_full_where_the_datastore_can_do_others() -> None:
    chain = [stored(1), stored(2, "b1"), stored(3, "b2")]
    parents = [taken("orders", *chain[:n]).parent for n in range(4)]
    assert parents == ["", "b1", "b2", ""]
    assert taken("cache", *chain[:1]).parent == ""


def test_a_backup_is_named_by_schedule_instance_and_time() -> None:
    step = taken("orders")
    assert step.name == "nightly-orders-20261123-010000"
    assert step.origin == "schedule nightly"
