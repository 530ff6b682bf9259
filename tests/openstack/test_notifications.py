"""Notifications on a real RabbitMQ, as a consumer of OpenStack's would read them."""

from __future__ import annotations

import json
from pathlib import Path

import kombu
import pytest

from executors.engine import State
from reconciler.journal.journal import Journal
from reconciler.notifications.delivery import deliver
from specs.settings import NotificationSettings
from tests.devcloud.layout import RABBIT, Layout
from tests.reconciler.notifications.test_delivery import TAKE, at, record, waiting

BUS = f"//guest:guest@127.0.0.1:{RABBIT}/"


def test_starts_and_errors_reach_their_queues(
    devcloud: Layout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BUS", f"rabbit:{BUS}")
    topic = f"test-{tmp_path.name}"
    settings = {"bus": NotificationSettings(driver="messaging", url_from_env="BUS", topic=topic)}
    journal = Journal(f"sqlite:///{tmp_path}/journal.db", notify=True)
    record(journal, (TAKE, State.STARTED), (TAKE, State.FAILED))
    assert deliver(journal, at(settings, tmp_path)) == {}
    assert waiting(journal) == 0
    journal.close()
    found = {}
    with kombu.Connection(f"amqp:{BUS}") as connection:
        for priority in ("info", "error"):
            queue = connection.SimpleQueue(f"{topic}.{priority}", queue_opts={"durable": False})
            message = queue.get(timeout=20)
            message.ack()
            found[priority] = json.loads(message.payload["oslo.message"])
            queue.close()
            connection.default_channel.queue_delete(f"{topic}.{priority}")
    assert found["info"]["event_type"] == "dbaas.backup_create.start"
    assert found["info"]["payload"]["name"] == "nightly"
    assert found["error"]["event_type"] == "dbaas.backup_create.error"
    assert found["error"]["priority"] == "ERROR"
    assert found["error"]["payload"]["message"] == "no room"
