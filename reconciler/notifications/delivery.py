"""Takes notifications from the outbox to their receivers: each at least once, in order."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from reconciler.journal import tables
from reconciler.journal.journal import Journal
from reconciler.notifications.receivers import Notification, Undelivered, receiver_of
from reconciler.workspace import Workspace
from specs.settings import NotificationSettings

_BATCH = 100


@dataclass(frozen=True, slots=True)
class Way:
    """How one receiver is reached; *root* is the folder of the repository that names it."""

    settings: NotificationSettings
    root: Path


def ways(workspace: Workspace) -> dict[str, Way]:
    """The receivers of a repository, by name."""
    receivers = workspace.revision.settings.notifications
    return {name: Way(each, workspace.root) for name, each in receivers.items()}


def deliver(journal: Journal, receivers: Mapping[str, Way]) -> dict[str, str]:
    """Give every receiver what it has not had yet; what went wrong, by its name.

    One receiver that is away does not hold up the others. What all have had is deleted, and
    everything where there are none.
    """
    faults: dict[str, str] = {}
    for name, way in receivers.items():
        try:
            _deliver_to(journal, name, way)
        except Undelivered as error:
            faults[name] = str(error)
    with journal.connect() as connection:
        t = tables.outbox
        newest = int(connection.execute(sa.select(sa.func.max(t.c.id))).scalar() or 0)
        if not newest:
            return faults
        reached = [_reached(connection, name) for name in receivers]
        connection.execute(t.delete().where(t.c.id <= min(reached, default=newest)))
    return faults


def _deliver_to(journal: Journal, name: str, way: Way) -> None:
    receiver = None
    while batch := _next(journal, name):
        receiver = receiver or receiver_of(way.settings, way.root)
        receiver.take(batch)
        with journal.connect() as connection:
            t = tables.receivers
            connection.execute(t.delete().where(t.c.name == name))
            connection.execute(t.insert().values(name=name, delivered=batch[-1].number))


def _next(journal: Journal, name: str) -> list[Notification]:
    t = tables.outbox.c
    with journal.connect() as connection:
        query = sa.select(t.id, t.at, t.type, t.subject, t.payload)
        query = query.where(t.id > _reached(connection, name)).order_by(t.id).limit(_BATCH)
        return [Notification(*row) for row in connection.execute(query)]


def _reached(connection: Connection, name: str) -> int:
    t = tables.receivers.c
    found = connection.execute(sa.select(t.delivered).where(t.name == name)).scalar()
    return int(found or 0)
