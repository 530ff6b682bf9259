"""Cron as cron(8) means it, in every time zone, on every day of the year."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from itertools import islice, pairwise, takewhile
from zoneinfo import ZoneInfo

import pytest

from specs.cron import BadCron, times

START = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)  # a Monday


def first(expression: str, count: int, zone: str = "UTC", after: datetime = START) -> list[str]:
    found = islice(times(expression, zone, after), count)
    return [f"{each.astimezone(UTC):%a %d %H:%M}" for each in found]


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("0 2 * * *", ["Tue 24 02:00", "Wed 25 02:00"]),
        ("*/20 * * * *", ["Mon 23 12:20", "Mon 23 12:40", "Mon 23 13:00"]),
        ("0 3 * * 0", ["Sun 29 03:00"]),
        ("0 3 * * 7", ["Sun 29 03:00"]),
        ("0 3 * * 1-5", ["Tue 24 03:00", "Wed 25 03:00", "Thu 26 03:00", "Fri 27 03:00"]),
        ("0 3 * * sat,sun", ["Sat 28 03:00", "Sun 29 03:00"]),
        ("0 3 * * 5-7", ["Fri 27 03:00", "Sat 28 03:00", "Sun 29 03:00"]),
        ("0 3 25 * 5", ["Wed 25 03:00", "Fri 27 03:00"]),
        ("0 3 * * */3", ["Wed 25 03:00", "Sat 28 03:00", "Sun 29 03:00"]),
    ],
)
def test_times(expression: str, expected: list[str]) -> None:
    assert first(expression, len(expected)) == expected


@pytest.mark.parametrize("expression", ["", "* * * *", "61 * * * *", "* * * * 8", "* * * * 5-2"])
def test_what_is_no_cron_expression_is_said(expression: str) -> None:
    with pytest.raises(BadCron):
        next(times(expression, "UTC", START))


@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe"])
@pytest.mark.parametrize("hour", range(4))
def test_a_daily_time_comes_once_every_day_also_when_the_clock_changes(
    zone: str, hour: int
) -> None:
    tz = ZoneInfo(zone)
    begin = datetime(2026, 1, 1, tzinfo=tz)
    end = begin + timedelta(days=365)
    found = list(takewhile(lambda t: t < end, times(f"30 {hour} * * *", zone, begin)))
    days = [each.astimezone(tz).date() for each in found]
    assert days == [date(2026, 1, 1) + timedelta(days=n) for n in range(365)]
    assert all(a < b for a, b in pairwise(found))


def test_every_twenty_minutes_also_runs_through_the_hour_that_comes_twice() -> None:
    change = datetime(2026, 10, 25, 0, 0, tzinfo=UTC)  # Berlin leaves summer time at 01:00 UTC.
    found = first("*/20 * * * *", 6, "Europe/Berlin", change)
    twice = [f"Sun 25 {h:02}:{m:02}" for h in (0, 1) for m in (0, 20, 40)]
    assert found == [*twice[1:], "Sun 25 02:00"]
