"""Takes notifications from the outbox to their receivers: each at least once, in order."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from reconciler.journal import tables
from reconciler.journal.journal import Journal
from reconciler.notifications.receivers import Notification, Undelivered, receiver_of
from specs.settings import NotificationSettings

_BATCH = 100


def deliver(
    journal: Journal, settings: Mapping[str, NotificationSettings], root: Path
) -> dict[str, str]:
    """Give every receiver what it has not had yet; what went wrong, by its name.

    One receiver that is away does not hold up the others. What all have had is deleted.
    """
    faults: dict[str, str] = {}
    for name, each in settings.items():
        try:
            _deliver_to(journal, name, each, root)
        except Undelivered as error:
            faults[name] = str(error)
    with journal.connect() as connection:
        reached = [_reached(connection, name) for name in settings]
        t = tables.outbox
        connection.execute(t.delete().where(t.c.id <= min(reached, default=0)))
    return faults


def _deliver_to(journal: Journal, name: str, settings: NotificationSettings, root: Path) -> None:
    receiver = None
    while batch := _next(journal, name):
        receiver = receiver or receiver_of(settings, root)
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
