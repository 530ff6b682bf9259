"""What people ask of a running daemon: to sync now, to leave something alone."""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa

from reconciler.journal import tables
from reconciler.journal.journal import Journal, Row

SYNC = "sync"
ACCEPT = "accept"


@dataclass(frozen=True, slots=True)
class Request:
    """``subject``: the addresses to sync, by spaces (none: all); or the commit to accept."""

    id: int
    kind: str
    subject: str
    actor: str

    @property
    def addresses(self) -> list[str]:
        return self.subject.split()


class Requests:
    """Requests and suspensions in one journal."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    def make(self, source: str, kind: str, subject: str, actor: str, controller: str = "") -> int:
        """Leave a request for one *controller* of those that follow *source*; its number."""
        row: Row = {
            "controller": controller,
            "source": source,
            "kind": kind,
            "subject": subject,
            "actor": actor,
        }
        row |= {"made": self._journal.now(), "outcome": ""}
        with self._journal.connect() as connection:
            done = connection.execute(tables.requests.insert().values(**row))
            number = done.inserted_primary_key
            assert number is not None
            return int(number[0])

    def open(self, source: str, controller: str) -> list[Request]:
        """What was asked of a controller and has no answer yet, the oldest first."""
        t = tables.requests.c
        query = sa.select(t.id, t.kind, t.subject, t.actor).order_by(t.id)
        query = query.where(t.source == source, t.controller == controller, t.ended.is_(None))
        with self._journal.connect() as connection:
            return [Request(*row) for row in connection.execute(query)]

    def end(self, number: int, outcome: str) -> None:
        t = tables.requests
        ended = {"ended": self._journal.now(), "outcome": outcome}
        with self._journal.connect() as connection:
            connection.execute(t.update().where(t.c.id == number).values(**ended))

    def outcome(self, number: int) -> str | None:
        """How it ended; None while it has not."""
        t = tables.requests.c
        query = sa.select(t.ended, t.outcome).where(t.id == number)
        with self._journal.connect() as connection:
            ended, outcome = connection.execute(query).one()
        return str(outcome) if ended is not None else None

    def suspend(self, subject: str, actor: str, reason: str, seconds: float | None = None) -> None:
        """Leave a project, or an instance by its address, alone until ``resume``, or as long."""
        t, now = tables.suspensions, self._journal.now()
        row: Row = {"subject": subject, "actor": actor, "reason": reason, "made": now}
        row["until"] = now + seconds if seconds is not None else None
        with self._journal.connect() as connection:
            connection.execute(t.delete().where(t.c.subject == subject))
            connection.execute(t.insert().values(**row))

    def resume(self, subject: str) -> bool:
        """Whether it was suspended."""
        t = tables.suspensions
        with self._journal.connect() as connection:
            return connection.execute(t.delete().where(t.c.subject == subject)).rowcount > 0

    def suspensions(self) -> dict[str, Row]:
        """Those in force, by what is suspended."""
        t = tables.suspensions
        lasting = t.c.until.is_(None) | (t.c.until > self._journal.now())
        with self._journal.connect() as connection:
            rows = connection.execute(sa.select(t).where(lasting).order_by(t.c.subject))
            return {row.subject: dict(row._mapping) for row in rows}
