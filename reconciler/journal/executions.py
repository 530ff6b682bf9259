"""What schedules did: one row for each backup that was due."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import sqlalchemy as sa

from planners.schedules import Due
from reconciler.journal import tables
from reconciler.journal.journal import Journal, Row

REGISTERED = "REGISTERED"
RUNNING = "RUNNING"
SUCCESS = "SUCCESS"
ERROR = "ERROR"


class Executions:
    """The executions in one journal."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    def now(self) -> float:
        return self._journal.now()

    def last(self) -> dict[tuple[str, str], float]:
        """By schedule and instance: the time that was served last, or of registration."""
        t = tables.executions.c
        query = sa.select(t.schedule, t.instance, sa.func.max(t.due))
        with self._journal.connect() as connection:
            found = connection.execute(query.group_by(t.schedule, t.instance))
            return {(schedule, instance): at for schedule, instance, at in found}

    def register(self, fresh: Iterable[tuple[str, str]], now: float) -> None:
        """Remember that these schedules and instances were seen first at *now*."""
        rows = [self._row(s, i, now, REGISTERED) | {"ended": now} for s, i in fresh]
        with self._journal.connect() as connection:
            connection.execute(tables.executions.insert(), rows)

    def begin(self, due: Due) -> int:
        """Record that a backup begins; the number of its execution."""
        row = self._row(str(due.schedule), str(due.instance), due.at, RUNNING)
        with self._journal.connect() as connection:
            done = connection.execute(tables.executions.insert().values(**row))
            number = done.inserted_primary_key
            assert number is not None
            return int(number[0])

    def end(self, number: int, state: str, backup: str = "", output: str = "") -> None:
        ended = {"ended": self.now(), "state": state, "backup": backup, "output": output}
        with self._journal.connect() as connection:
            t = tables.executions
            connection.execute(t.update().where(t.c.id == number).values(**ended))

    def state(self, number: int) -> str:
        t = tables.executions.c
        with self._journal.connect() as connection:
            query = sa.select(t.state).where(t.id == number)
            return str(connection.execute(query).scalar_one())

    def successes(self, schedule: str, instance: str) -> int:
        """How often the schedule's backup of the instance succeeded."""
        t = tables.executions.c
        query = sa.select(sa.func.count()).where(
            t.schedule == schedule, t.instance == instance, t.state == SUCCESS
        )
        with self._journal.connect() as connection:
            return int(connection.execute(query).scalar_one())

    def interrupt(self) -> None:
        """What an earlier daemon left running ended with it."""
        t = tables.executions
        ended = {"ended": self.now(), "state": ERROR, "output": "the daemon ended while it ran"}
        with self._journal.connect() as connection:
            connection.execute(t.update().where(t.c.state == RUNNING).values(**ended))

    def rows(self, schedule: str = "", limit: int = 20) -> list[Row]:
        """The newest first, without registrations."""
        t = tables.executions
        query = sa.select(t).where(t.c.state != REGISTERED)
        if schedule:
            query = query.where(t.c.schedule == schedule)
        with self._journal.connect() as connection:
            found = connection.execute(query.order_by(t.c.id.desc()).limit(limit))
            return [dict(row._mapping) for row in found]

    def _row(self, schedule: str, instance: str, due: float, state: str) -> dict[str, Any]:
        return {
            "schedule": schedule,
            "instance": instance,
            "due": due,
            "began": self.now(),
            "state": state,
            "backup": "",
            "output": "",
        }
