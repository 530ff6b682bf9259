"""Who may change a project now, of several control planes with one journal.

A controller that lives says so; each project belongs to one of those that live,
and to another as soon as that one was silent for the time of a lease. A lease
has a token that grows with every holder: who acts with an older one is refused
by the journal, in the transaction that would record the start of the action,
and stops before its next effect in the middle of one.
"""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from executors.errors import Refused
from executors.permit import Permit, free
from reconciler.journal import tables
from reconciler.journal.journal import Fence, Journal, unfenced
from reconciler.locks import Locked, project_locks

SECONDS = 15.0
"""How long a lease, or the sign of life of a controller, is good for."""
_SILENCE = 0.6
"""The share of that time after which a controller counts as dead: whatever lease it may still have
ends with that time, and by then another is to be at work."""
Tokens = Mapping[str, int]


class Fenced(Refused):
    """Another controller may have the project now."""


class Leases:
    """The leases in one journal, as *holder* takes them."""

    def __init__(self, journal: Journal, holder: str, seconds: float = SECONDS) -> None:
        self._journal = journal
        self._seconds = seconds
        self.holder = holder

    # -- controllers ----------------------------------------------------------

    def beat(self) -> None:
        """Say that this controller lives."""
        t = tables.controllers
        with self._journal.connect() as connection:
            connection.execute(t.delete().where(t.c.name == self.holder))
            now = self._journal.time_in(connection)
            connection.execute(t.insert().values(name=self.holder, beat=now))

    def leave(self) -> None:
        """Say that it ends, so that nobody waits for it."""
        t, leases = tables.controllers, tables.leases
        with self._journal.connect() as connection:
            connection.execute(t.delete().where(t.c.name == self.holder))
            mine = leases.c.holder == self.holder
            connection.execute(leases.update().where(mine).values(expires=0.0))

    def living(self) -> list[str]:
        """The controllers that were heard of lately."""
        t = tables.controllers.c
        with self._journal.connect() as connection:
            limit = self._journal.time_in(connection) - _SILENCE * self._seconds
            found = connection.execute(sa.select(t.name).where(t.beat > limit))
            return sorted(row.name for row in found)

    # -- leases ---------------------------------------------------------------

    @contextmanager
    def held(self, projects: Iterable[str]) -> Iterator[Held]:
        """Hold the leases of *projects*, renewed until the body ends. Raises Locked."""
        until = time.monotonic() + self._seconds
        held = Held(self._journal, self._take(sorted(set(projects))), self._seconds, until)
        ended = threading.Event()
        renewing = threading.Thread(target=self._renew, args=(held, ended), daemon=True)
        renewing.start()
        try:
            yield held
        finally:
            ended.set()
            renewing.join()
            held.extend(0.0)

    def _take(self, projects: Collection[str]) -> Tokens:
        try:
            return self._taken(projects)
        except sa.exc.IntegrityError:
            raise Locked("another controller took one of the projects at this moment") from None

    def _taken(self, projects: Collection[str]) -> Tokens:
        t = tables.leases
        tokens: dict[str, int] = {}
        with self._journal.connect() as connection:
            now = self._journal.time_in(connection)
            for project in projects:
                row = _locked(connection, project)
                if row is None:
                    token = 1
                    connection.execute(
                        t.insert().values(
                            project=project,
                            holder=self.holder,
                            token=1,
                            expires=now + self._seconds,
                        )
                    )
                elif row.expires > now:
                    left = row.expires - now
                    text = f"project {project} is being applied by {row.holder}"
                    raise Locked(f"{text}; its lease ends within {left:.0f} s unless it is renewed")
                else:
                    token = row.token + 1
                    taken = {"holder": self.holder, "token": token, "expires": now + self._seconds}
                    connection.execute(t.update().where(t.c.project == project).values(**taken))
                tokens[project] = token
        return tokens

    def _renew(self, held: Held, ended: threading.Event) -> None:
        while not ended.wait(self._seconds / 3):
            try:
                held.extend(self._seconds)
            except sa.exc.SQLAlchemyError:
                # Without the journal nothing can be started either; the lease just ends.
                continue


class Held:
    """Leases that were taken: their tokens by project; good *until*, on the monotonic clock."""

    def __init__(self, journal: Journal, tokens: Tokens, seconds: float, until: float) -> None:
        self._journal = journal
        self._seconds = seconds
        self._until = until
        self.tokens = tokens

    def fence(self, connection: Connection) -> None:
        """Raises Fenced; nobody can take one of them before the transaction ends."""
        for project, token in self.tokens.items():
            row = _locked(connection, project)
            now = self._journal.time_in(connection)
            if row is None or row.token != token or row.expires <= now:
                raise _fenced(project)

    def permit(self) -> None:
        """Raises Fenced. The journal is asked only by who was not heard of for too long."""
        if time.monotonic() < self._until:
            return
        try:
            lost = self.extend(self._seconds)
        except sa.exc.SQLAlchemyError:
            lost = sorted(self.tokens)
        if lost:
            raise _fenced(lost[0])

    def extend(self, seconds: float) -> list[str]:
        """Have them end so many seconds from now; the projects that another holder has."""
        t = tables.leases
        began, lost = time.monotonic(), []
        with self._journal.connect() as connection:
            expires = self._journal.time_in(connection) + seconds
            for project, token in self.tokens.items():
                mine = (t.c.project == project) & (t.c.token == token)
                if not connection.execute(t.update().where(mine).values(expires=expires)).rowcount:
                    lost.append(project)
        if not lost:
            self._until = began + seconds
        return lost


@dataclass(frozen=True, slots=True)
class Right:
    """To change projects: ``fence`` guards what is recorded, ``permit`` each effect."""

    fence: Fence
    permit: Permit


@contextmanager
def exclusive(
    journal: Journal, holder: str, seconds: float, folder: Path, projects: Iterable[str]
) -> Iterator[Right]:
    """Keep everybody else from changing *projects*.

    Where the journal is a file, all are on one machine, and a lock in *folder* ends with its
    process; else it is a lease of so many *seconds*, renewed. Raises Locked.
    """
    if journal.is_local:
        with project_locks(folder, projects):
            yield Right(unfenced, free)
    else:
        with Leases(journal, holder, seconds).held(projects) as held:
            yield Right(held.fence, held.permit)


def _fenced(project: str) -> Fenced:
    return Fenced(f"the lease of {project} has ended; another controller may have it")


def share(projects: Iterable[str], controllers: Collection[str], mine: str) -> set[str]:
    """Those of *projects* that are *mine*: each belongs to the controller that scores highest.

    Rendezvous hashing: when a controller ends, only its own projects move.
    """
    return {p for p in projects if max({*controllers, mine}, key=lambda c: _score(p, c)) == mine}


def _score(project: str, controller: str) -> bytes:
    return hashlib.sha256(f"{project}\0{controller}".encode()).digest()


def _locked(connection: Connection, project: str) -> sa.Row[tuple[str, str, int, float]] | None:
    t = tables.leases
    query = sa.select(t).where(t.c.project == project).with_for_update()
    return connection.execute(query).one_or_none()
