"""Writes and reads the journal. SQLite by default; any SQLAlchemy URL otherwise."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from executors.engine import Entry, State
from planners import steps
from planners.identity import instance_id
from planners.observed import Record
from planners.plan import Plan
from reconciler.journal import tables
from specs.desired import Address

_MIGRATIONS = Path(__file__).parent / "migrations"
_MESSAGE_LENGTH = 255
Row = dict[str, Any]


class JournalError(Exception):
    """The journal cannot be used; the text says why."""


@dataclass(frozen=True, slots=True)
class Fault:
    """What went wrong last with an instance (newton-persist-error-message)."""

    created: float
    item: str
    message: str
    details: str
    run: str


class Journal:
    """One open journal. *clock* gives seconds since the epoch."""

    def __init__(self, url: str, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        try:
            self._engine = _engine(url)
            _migrate(self._engine)
        except sa.exc.SQLAlchemyError as error:
            raise JournalError(f"cannot open the journal: {error}") from None

    def close(self) -> None:
        self._engine.dispose()

    # -- writing --------------------------------------------------------------

    def begin(self, plan: Plan, actor: str) -> Run:
        """Record that a run of *plan* begins."""
        run = uuid.uuid4().hex
        row = {
            "id": run,
            "started": self._clock(),
            "actor": actor,
            "revision": plan.revision,
            "cloud": plan.cloud,
            "plan": plan.digest,
            "actions": len(plan.actions),
            "outcome": "running",
        }
        with self._engine.begin() as connection:
            connection.execute(tables.runs.insert(), [row])
        return Run(self, run, actor)

    def end(self, run: str, outcome: str) -> None:
        with self._engine.begin() as connection:
            connection.execute(
                tables.runs.update()
                .where(tables.runs.c.id == run)
                .values(ended=self._clock(), outcome=outcome)
            )

    def record(self, run: str, actor: str, entries: Sequence[Entry]) -> None:
        """Write *entries*, and what follows from them, in one transaction."""
        now = self._clock()
        with self._engine.begin() as connection:
            connection.execute(tables.entries.insert(), [_row(run, now, e) for e in entries])
            failed = [_fault(run, now, e) for e in entries if e.state is State.FAILED]
            if failed:
                connection.execute(tables.faults.insert(), failed)
            for entry in entries:
                self._consequence(connection, entry, now, actor)

    def learn(self, lives: dict[str, str]) -> None:
        """Remember instances that are seen to live (address to id) and are not on record."""
        known = self.records()
        now = self._clock()
        with self._engine.begin() as connection:
            for address, instance in lives.items():
                record = known.get(address)
                if record is None or not record.active or record.deleted:
                    incarnation = record.incarnation if record else _incarnation(address, instance)
                    _remember(connection, address, instance, incarnation, True, now)

    def _consequence(self, connection: Connection, entry: Entry, now: float, actor: str) -> None:
        step, address = entry.action.step, entry.action.address
        begins = isinstance(step, steps.CreatePort | steps.CreateVolume | steps.CreateServer)
        if begins and entry.state is State.STARTED:
            self._begin_life(connection, address, step.instance, now)
        elif isinstance(step, steps.Prepare) and entry.state is State.DONE:
            connection.execute(_instance(address).values(active=True))
        elif isinstance(step, steps.DeleteVolume) and entry.state is State.STARTED:
            # The intent counts: whatever happens next, a missing volume is no incident.
            ended = _instance(address).values(active=False, deleted=True, deleted_at=now)
            connection.execute(ended)
        elif isinstance(step, steps.EnableRoot) and entry.state is State.DONE:
            row = {"address": address, "enabled": now, "actor": actor}
            connection.execute(tables.root_history.insert(), [row])

    def _begin_life(self, connection: Connection, address: str, instance: str, now: float) -> None:
        query = sa.select(tables.instances).where(tables.instances.c.address == address)
        row = connection.execute(query).first()
        if row is None or row.instance != instance or row.deleted:
            incarnation = _incarnation(address, instance)
            _remember(connection, address, instance, incarnation, False, now)

    # -- reading --------------------------------------------------------------

    def records(self) -> dict[str, Record]:
        t = tables.instances.c
        query = sa.select(t.address, t.incarnation, t.active, t.deleted)
        with self._engine.connect() as connection:
            return {
                address: Record(incarnation=incarnation, active=active, deleted=deleted)
                for address, incarnation, active, deleted in connection.execute(query)
            }

    def faults(self, address: str, limit: int = 5) -> list[Fault]:
        """The newest faults first."""
        t = tables.faults.c
        query = sa.select(t.created, t.item, t.message, t.details, t.run)
        query = query.where(t.address == address).order_by(t.id.desc()).limit(limit)
        with self._engine.connect() as connection:
            return [Fault(*row) for row in connection.execute(query)]

    def latest_faults(self) -> dict[str, str]:
        """Addresses whose last action failed, with its message."""
        t = tables.entries.c
        last = sa.select(sa.func.max(t.id)).where(t.state != State.STARTED).group_by(t.address)
        query = sa.select(t.address, t.message).where(t.id.in_(last), t.state != State.DONE)
        with self._engine.connect() as connection:
            return {row.address: row.message for row in connection.execute(query)}

    def runs(self, limit: int) -> list[Row]:
        """The newest runs first."""
        query = sa.select(tables.runs).order_by(tables.runs.c.started.desc()).limit(limit)
        return self._rows(query)

    def entries(self, address: str, limit: int) -> list[Row]:
        """The newest ends of actions first."""
        t = tables.entries
        query = sa.select(t).where(t.c.address == address, t.c.state != State.STARTED)
        return self._rows(query.order_by(t.c.id.desc()).limit(limit))

    def run_entries(self, run: str) -> list[Row]:
        t = tables.entries
        return self._rows(sa.select(t).where(t.c.run == run).order_by(t.c.id))

    def root_history(self, address: str) -> list[Row]:
        t = tables.root_history
        return self._rows(sa.select(t).where(t.c.address == address).order_by(t.c.id))

    def _rows(self, query: sa.Select[Any]) -> list[Row]:
        with self._engine.connect() as connection:
            return [dict(row._mapping) for row in connection.execute(query)]


@dataclass(frozen=True, slots=True)
class Run:
    """The sink of one run; see ``executors.engine.Sink``."""

    journal: Journal
    id: str
    actor: str

    def record(self, entries: Sequence[Entry]) -> None:
        self.journal.record(self.id, self.actor, entries)

    def end(self, outcome: str) -> None:
        self.journal.end(self.id, outcome)


def _engine(url: str) -> Engine:
    engine = sa.create_engine(url)
    if engine.dialect.name == "sqlite":
        sa.event.listen(engine, "connect", _durable)
    return engine


def _durable(connection: Any, _record: Any) -> None:
    cursor = connection.cursor()
    for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "busy_timeout=30000"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _migrate(engine: Engine) -> None:
    head = max(path.name.partition("_")[0] for path in (_MIGRATIONS / "versions").glob("0*.py"))
    with engine.begin() as connection:
        if _revision(connection) == head:
            return
        # Alembic takes a while to import and is rarely needed.
        from alembic import command
        from alembic.config import Config

        config = Config()
        config.set_main_option("script_location", str(_MIGRATIONS))
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def _revision(connection: Connection) -> str | None:
    if not sa.inspect(connection).has_table("alembic_version"):
        return None
    query = sa.text("SELECT version_num FROM alembic_version")
    found: str | None = connection.execute(query).scalar()
    return found


def _row(run: str, now: float, entry: Entry) -> Row:
    action = entry.action
    return {
        "run": run,
        "at": now,
        "address": action.address,
        "item": action.item,
        "step": type(action.step).__name__,
        "verb": str(action.verb),
        "state": str(entry.state),
        "message": entry.message,
    }


def _fault(run: str, now: float, entry: Entry) -> Row:
    return {
        "address": entry.action.address,
        "created": now,
        "run": run,
        "item": entry.action.item,
        "message": entry.message[:_MESSAGE_LENGTH],
        "details": entry.details,
    }


def _instance(address: str) -> sa.Update:
    return tables.instances.update().where(tables.instances.c.address == address)


def _remember(
    connection: Connection,
    address: str,
    instance: str,
    incarnation: int,
    active: bool,
    now: float,
) -> None:
    connection.execute(tables.instances.delete().where(tables.instances.c.address == address))
    row = {
        "address": address,
        "instance": instance,
        "incarnation": incarnation,
        "active": active,
        "deleted": False,
        "created": now,
    }
    connection.execute(tables.instances.insert(), [row])


def _incarnation(address: str, instance: str) -> int:
    """Which life *instance* is the id of; ids are counted, so the count can be found again."""
    parsed = Address.parse(address)
    for number in range(10_000):
        if instance_id(*parsed, number) == instance:
            return number
    return 0
