"""Writes and reads the journal. SQLite by default; any SQLAlchemy URL otherwise."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from executors.engine import Entry, State
from planners import steps
from planners.identity import instance_id
from planners.observed import Record
from planners.plan import Plan, decode, encode
from reconciler.journal import tables
from reconciler.notifications.events import Event, Narrator
from specs.desired import Address

_MIGRATIONS = Path(__file__).parent / "migrations"
_MESSAGE_LENGTH = 255
_PLANS_KEPT = 200
_IDLE_SECONDS = 5
_MIGRATING = 0x6769746F
"""PostgreSQL's number for the lock; any that nobody else uses in this database."""
Row = dict[str, Any]
Fence = Callable[[Connection], None]
"""Raises Refused, in the transaction that would record starts, when they must not be."""


def unfenced(_connection: Connection) -> None:
    """The fence of who has the projects for sure."""


_AT = tables.instances.c.address == sa.bindparam("at")
_LIVES = tables.instances.update().where(_AT).values(active=True)
# The intent counts: whatever happens next, a missing volume is no incident.
_ENDS = (
    tables.instances.update()
    .where(_AT)
    .values(active=False, deleted=True, deleted_at=sa.bindparam("when"))
)
_ROOT_ENABLED = tables.root_history.insert()


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
    """One open journal. *clock* gives seconds since the epoch.

    *notify*: what happens is also put into the outbox, in the same transaction.
    """

    def __init__(
        self, url: str, clock: Callable[[], float] = time.time, notify: bool = False
    ) -> None:
        self._clock = clock
        self._notify = notify
        try:
            self._engine = _engine(url)
            _migrate(self._engine)
        except sa.exc.SQLAlchemyError as error:
            raise JournalError(f"cannot open the journal: {error}") from None

    def connect(self) -> AbstractContextManager[Connection]:
        """A connection in a transaction that ends with the body."""
        return self._engine.begin()

    def now(self) -> float:
        return self._clock()

    @property
    def is_local(self) -> bool:
        """Whether only programs on this machine can have it open."""
        return self._engine.dialect.name == "sqlite"

    def time_in(self, connection: Connection) -> float:
        """The time that all who share the journal go by, in seconds since the epoch."""
        if self.is_local:
            return self._clock()
        query = sa.text("SELECT extract(epoch FROM clock_timestamp())")
        return float(connection.execute(query).scalar_one())

    def close(self) -> None:
        self._engine.dispose()

    # -- writing --------------------------------------------------------------

    def begin(self, plan: Plan, actor: str, fence: Fence = unfenced) -> Run:
        """Record that a run of *plan* begins; *fence* is asked before any action starts."""
        run = uuid.uuid4().hex
        now = self._clock()
        row = {
            "id": run,
            "started": now,
            "actor": actor,
            "revision": plan.revision,
            "cloud": plan.cloud,
            "plan": plan.digest,
            "actions": len(plan.actions),
            "outcome": "running",
        }
        with self._engine.begin() as connection:
            connection.execute(tables.runs.insert(), [row])
            keep_plan(connection, plan, now)
        return Run(self, run, actor, Narrator(plan, run, actor), fence)

    def end(self, run: str, outcome: str) -> None:
        with self._engine.begin() as connection:
            connection.execute(
                tables.runs.update()
                .where(tables.runs.c.id == run)
                .values(ended=self._clock(), outcome=outcome)
            )

    def record(self, run: Run, entries: Sequence[Entry]) -> None:
        """Write *entries*, and what follows from them, in one transaction."""
        now = self._clock()
        starts = any(each.state is State.STARTED for each in entries)
        with self._engine.begin() as connection:
            if starts:
                run.fence(connection)
            connection.execute(tables.entries.insert(), [_row(run.id, now, e) for e in entries])
            failed = [_fault(run.id, now, e) for e in entries if e.state is State.FAILED]
            if failed:
                connection.execute(tables.faults.insert(), failed)
            if told := self.outbox_rows(run.narrator.tell(entries)):
                connection.execute(tables.outbox.insert(), told)
            for statement, rows in _consequences(entries, now, run.actor).items():
                connection.execute(statement, rows)
            if begun := _lives(entries).items() - run.begun:
                self._begin_lives(connection, begun, now)
        run.begun.update(_lives(entries).items())

    def outbox_rows(self, events: Iterable[Event]) -> list[Row]:
        """The rows by which *events* will be told; none where nobody is."""
        now = self._clock()
        return [event._asdict() | {"at": now} for event in events] if self._notify else []

    def learn(self, lives: dict[str, str]) -> None:
        """Remember instances that are seen to live (address to id) and are not on record."""
        known = self.records()
        now = self._clock()
        rows = []
        for address, instance in lives.items():
            record = known.get(address)
            if record is None or not record.active or record.deleted:
                incarnation = record.incarnation if record else _incarnation(address, instance)
                rows.append(_life(address, instance, incarnation, True, now))
        with self._engine.begin() as connection:
            _remember(connection, rows)

    def _begin_lives(
        self, connection: Connection, lives: Collection[tuple[str, str]], now: float
    ) -> None:
        t = tables.instances.c
        query = sa.select(t.address, t.instance, t.deleted).where(t.address.in_(sa.bindparam("at")))
        at = [address for address, _ in lives]
        living = {(a, i) for a, i, deleted in connection.execute(query, {"at": at}) if not deleted}
        rows = [
            _life(a, i, _incarnation(a, i), False, now) for a, i in lives if (a, i) not in living
        ]
        _remember(connection, rows)

    # -- reading --------------------------------------------------------------

    def records(self) -> dict[str, Record]:
        t = tables.instances.c
        query = sa.select(t.address, t.incarnation, t.active, t.deleted)
        with self._engine.connect() as connection:
            return {
                address: Record(incarnation=incarnation, active=active, deleted=deleted)
                for address, incarnation, active, deleted in connection.execute(query)
            }

    def deleted(self, address: str = "") -> list[Row]:
        """What lived and was deleted, the newest first (kilo-mgmt-show-deleted)."""
        t = tables.instances
        query = sa.select(t).where(t.c.deleted).order_by(t.c.deleted_at.desc())
        return self._rows(query.where(t.c.address == address) if address else query)

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

    def plan(self, digest: str) -> Plan | None:
        """The plan of a run, while it is kept."""
        t = tables.plans.c
        with self._engine.connect() as connection:
            raw = connection.execute(sa.select(t.document).where(t.digest == digest)).scalar()
        return decode(raw) if raw is not None else None

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
    """The sink of one run; see ``executors.engine.Sink``.

    ``begun`` has the address and id of each life that is on record since this run.
    """

    journal: Journal
    id: str
    actor: str
    narrator: Narrator
    fence: Fence = unfenced
    begun: set[tuple[str, str]] = field(default_factory=set)

    def record(self, entries: Sequence[Entry]) -> None:
        self.journal.record(self, entries)

    def end(self, outcome: str) -> None:
        self.journal.end(self.id, outcome)


def _engine(url: str) -> Engine:
    # Where the server may have ended a connection, each is tried before it is used.
    engine = sa.create_engine(url, pool_pre_ping=not url.startswith("sqlite"))
    if engine.dialect.name == "sqlite":
        sa.event.listen(engine, "connect", _durable)
    elif engine.dialect.name == "postgresql":
        sa.event.listen(engine, "connect", _impatient)
    return engine


def _impatient(connection: Any, _record: Any) -> None:
    """Who is paused in a transaction must not keep its locks from the others."""
    with connection.cursor() as cursor:
        cursor.execute(f"SET idle_in_transaction_session_timeout = {_IDLE_SECONDS * 1000}")
    connection.commit()


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
        if engine.dialect.name == "postgresql":
            # Of several that begin at once, one migrates, and the others find it done.
            connection.execute(sa.text(f"SELECT pg_advisory_xact_lock({_MIGRATING})"))
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


def keep_plan(connection: Connection, plan: Plan, now: float) -> str:
    """Keep it to be looked at, as one of the newest; its digest."""
    t, digest = tables.plans, plan.digest
    again = t.update().where(t.c.digest == digest).values(made=now)
    if connection.execute(again).rowcount:
        return digest
    connection.execute(t.insert().values(digest=digest, made=now, document=encode(plan)))
    newest = sa.select(t.c.made).order_by(t.c.made.desc()).offset(_PLANS_KEPT).limit(1)
    oldest = connection.execute(newest).scalar()
    if oldest is not None:
        connection.execute(t.delete().where(t.c.made <= oldest))
    return digest


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


def _lives(entries: Sequence[Entry]) -> dict[str, str]:
    """The address and the id of every instance of which a piece begins to be made."""
    return {
        entry.action.address: step.instance
        for entry in entries
        if entry.state is State.STARTED
        and isinstance(
            step := entry.action.step, steps.CreatePort | steps.CreateVolume | steps.CreateServer
        )
    }


def _consequences(
    entries: Sequence[Entry], now: float, actor: str
) -> dict[sa.Executable, list[Row]]:
    """The rows for each statement that what happened calls for."""
    found: dict[sa.Executable, list[Row]] = {}
    for entry in entries:
        match entry.action.step, entry.state:
            case steps.Prepare(), State.DONE:
                found.setdefault(_LIVES, []).append({"at": entry.action.address})
            case steps.DeleteVolume(), State.STARTED:
                row = {"at": entry.action.address, "when": now}
                found.setdefault(_ENDS, []).append(row)
            case steps.EnableRoot(), State.DONE:
                row = {"address": entry.action.address, "enabled": now, "actor": actor}
                found.setdefault(_ROOT_ENABLED, []).append(row)
    return found


def _life(address: str, instance: str, incarnation: int, active: bool, now: float) -> Row:
    return {
        "address": address,
        "instance": instance,
        "incarnation": incarnation,
        "active": active,
        "deleted": False,
        "created": now,
    }


def _remember(connection: Connection, lives: list[Row]) -> None:
    if lives:
        connection.execute(
            tables.instances.delete().where(_AT), [{"at": r["address"]} for r in lives]
        )
        connection.execute(tables.instances.insert(), lives)


def _incarnation(address: str, instance: str) -> int:
    """Which life *instance* is the id of; ids are counted, so the count can be found again."""
    parsed = Address.parse(address)
    for number in range(10_000):
        if instance_id(*parsed, number) == instance:
            return number
    return 0
