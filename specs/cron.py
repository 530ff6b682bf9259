"""The times of a cron expression, as cron(8) means it, in a time zone.

APScheduler's trigger counts weekdays from Monday and wants day of month *and*
day of week; cron counts from Sunday and, where both are given, wants either.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

if TYPE_CHECKING:
    from apscheduler.triggers.base import BaseTrigger

_WIDEST_CHANGE = timedelta(hours=3)
_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")


class BadCron(ValueError):
    """The text is not a cron expression."""


def times(expression: str, zone: str, after: datetime) -> Iterator[datetime]:
    """Every time of *expression* later than *after*, in order, in UTC. Raises BadCron.

    A time that a change of the clock skips comes as much later; one that it
    repeats comes once, unless the hour is ``*``: then the repeated hour counts too.
    """
    trigger, tz = trigger_of(expression), ZoneInfo(zone)
    every_hour = expression.split()[1].startswith("*")
    last, repeated = after, list[datetime]()
    # Walls are what a clock on the wall shows; they are passed through the trigger as if in UTC.
    wall = (after - _WIDEST_CHANGE).astimezone(tz).replace(tzinfo=UTC)
    while wall := trigger.get_next_fire_time(None, wall + timedelta(microseconds=1)):
        shown = wall.replace(tzinfo=tz)
        first, second = (shown.replace(fold=f).astimezone(UTC) for f in (0, 1))
        while repeated and repeated[0] <= first:
            if repeated[0] > last:
                last = repeated[0]
                yield last
            repeated.pop(0)
        if every_hour and second > first:
            repeated.append(second)
        if first > last:
            last = first
            yield last


def trigger_of(expression: str) -> BaseTrigger:
    """The trigger in UTC. Raises BadCron."""
    # Few repositories have schedules, and every command reads a repository.
    from apscheduler.triggers.combining import OrTrigger
    from apscheduler.triggers.cron import CronTrigger

    fields = expression.split()
    if len(fields) != 5:
        raise BadCron(f"five fields are needed, and there are {len(fields)}")
    minute, hour, day, month, weekday = fields
    common = {"minute": minute, "hour": hour, "month": month, "timezone": UTC}
    try:
        if day != "*" and weekday != "*":
            either = [CronTrigger(day=day, **common)]
            either.append(CronTrigger(day_of_week=_weekdays(weekday), **common))
            return OrTrigger(either)
        if weekday != "*":
            return CronTrigger(day_of_week=_weekdays(weekday), **common)
        return CronTrigger(day=day, **common)
    except ValueError as error:
        raise BadCron(str(error)) from None


def _weekdays(field: str) -> str:
    """The days of a field by name: ``1-5`` is ``mon,tue,wed,thu,fri``."""
    found: set[int] = set()
    for part in field.split(","):
        span, _, step = part.partition("/")
        first, dash, last = span.partition("-")
        begin = 0 if first == "*" else _day(first)
        end = 6 if first == "*" else _day(last) if dash else 6 if step else begin
        if end < begin or (step and not step.isdigit()) or step == "0":
            raise BadCron(f'"{part}" is not a range of weekdays')
        found |= {each % 7 for each in range(begin, end + 1, int(step or 1))}
    return ",".join(_DAYS[each] for each in sorted(found))


def _day(text: str) -> int:
    if text.lower() in _DAYS:
        return _DAYS.index(text.lower())
    if text.isdigit() and int(text) <= 7:
        return int(text)
    raise BadCron(f'"{text}" is not a weekday')
