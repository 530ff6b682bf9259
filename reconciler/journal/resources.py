"""What the daemon knows of each resource and each source: the last word, and since when."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import sqlalchemy as sa

from reconciler.health import Health
from reconciler.journal import tables
from reconciler.journal.journal import Journal
from reconciler.notifications.events import Event


@dataclass(frozen=True, slots=True)
class Resource:
    """One instance of a source; times in seconds since the epoch.

    ``since`` is when ``health`` became what it is, ``revision`` the commit that it was looked at
    with. ``pending`` actions are planned, and ``waits`` says for what. ``applied`` is a digest of
    what was declared when nothing was left to do; ``failures`` were in a row, the last by
    ``fault``, and none is tried again before ``retry_at``. ``facts`` are what is counted of it
    (see ``notifications.billing``).
    """

    source: str
    address: str
    health: Health = Health.UNKNOWN
    reason: str = ""
    since: float = 0.0
    revision: str = ""
    pending: int = 0
    waits: str = ""
    applied: str = ""
    fault: str = ""
    failures: int = 0
    retry_at: float = 0.0
    facts: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SourceState:
    """One followed repository: the commit in force, and what is wrong with a newer one."""

    name: str
    revision: str = ""
    problem: str = ""
    since: float = 0.0


class Resources:
    """Resources and sources in one journal."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    def read(self, source: str | None = None) -> dict[str, Resource]:
        """By address, of one source or of all."""
        query = sa.select(tables.resources).order_by(tables.resources.c.address)
        if source is not None:
            query = query.where(tables.resources.c.source == source)
        with self._journal.connect() as connection:
            found = [Resource(**row._mapping) for row in connection.execute(query)]
        return {each.address: replace(each, health=Health(each.health)) for each in found}

    def write(
        self,
        changed: Iterable[Resource],
        gone: Iterable[Resource] = (),
        events: Iterable[Event] = (),
    ) -> None:
        """Replace what is known, and tell *events* of it, in one transaction."""
        kept = list(changed)
        rows = [asdict(each) | {"health": str(each.health)} for each in kept]
        t = tables.resources
        old = [{"of": each.source, "at": each.address} for each in (*kept, *gone)]
        told = self._journal.outbox_rows(events)
        if not old and not told:
            return
        match = (t.c.source == sa.bindparam("of")) & (t.c.address == sa.bindparam("at"))
        with self._journal.connect() as connection:
            if old:
                connection.execute(t.delete().where(match), old)
            if told:
                connection.execute(tables.outbox.insert(), told)
            if rows:
                connection.execute(t.insert(), rows)

    def sources(self) -> list[SourceState]:
        with self._journal.connect() as connection:
            t = tables.sources
            rows = connection.execute(sa.select(t).order_by(t.c.name))
            return [SourceState(**row._mapping) for row in rows]

    def write_source(self, state: SourceState) -> None:
        t = tables.sources
        # Another controller that writes the same at this moment has said it.
        with suppress(sa.exc.IntegrityError), self._journal.connect() as connection:
            connection.execute(t.delete().where(t.c.name == state.name))
            connection.execute(t.insert().values(**asdict(state)))
