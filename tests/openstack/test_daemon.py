"""The daemon on a real OpenStack, and all that it tells on a real message bus."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kombu
import pytest

from tests.devcloud import bootstrap
from tests.devcloud.layout import RABBIT, Layout
from tests.reconciler.notifications.test_events import BASE, DEFINED
from tests.support.daemons import Daemon
from tests.support.shell import Shell

BUS = f"//guest:guest@127.0.0.1:{RABBIT}/"
CACHE = """
apiVersion: gitrove/v1
kind: Instance
metadata: {name: cache}
spec:
  datastore: {name: redis}
  flavor: %s
  volume: {size: 1}
  users: [{name: web, grants: [{database: "*", privileges: ["~*", "+@all"]}]}]
"""


@pytest.fixture
def shell(devcloud: Layout, tmp_path: Path) -> Iterator[Shell]:
    shell = Shell(tmp_path, f"shop-{uuid.uuid4().hex[:8]}")
    shell.run("init", shell.repository.name)
    shell.environment["BUS"] = f"rabbit:{BUS}"
    settings = shell.repository / "gitrove.yaml"
    named = "driver: openstack\n    cloud: devcloud-tests\n    network: databases"
    bus = f"{{driver: messaging, urlFromEnv: BUS, topic: {topic(shell)}}}"
    more = f"notifications: {{bus: {bus}}}\nreconcile: {{audit: 5}}\n"
    settings.write_text(settings.read_text().replace("driver: local", named) + more)
    for each in (shell.repository / "databases").iterdir():
        each.unlink()
    yield shell
    shell.run("destroy", "--yes")


def topic(shell: Shell) -> str:
    return f"told-{shell.repository.name}"


def declare(shell: Shell, text: str) -> None:
    (shell.repository / "databases" / "cache.yaml").write_text(text)
    shell.commit()


def consumed(shell: Shell) -> list[tuple[str, dict[str, Any]]]:
    """Everything that is on the bus."""
    found = []
    with kombu.Connection(f"amqp:{BUS}") as connection:
        name = f"{topic(shell)}.info"
        queue = connection.SimpleQueue(name, queue_opts={"durable": False})
        while True:
            try:
                message = queue.get(timeout=5)
            except queue.Empty:
                break
            message.ack()
            told = json.loads(message.payload["oslo.message"])
            found.append((told["event_type"], told["payload"]))
        queue.close()
        connection.default_channel.queue_delete(name)
    return found


def test_commits_drift_and_what_is_told_of_them(shell: Shell, devcloud: Layout) -> None:
    declare(shell, CACHE % "tiny")
    daemon = Daemon(shell, interval="1")
    try:
        daemon.says("cache is Healthy", 120)
        # A person deletes the server in Nova.
        server = json.loads(shell.run("observe"))["cloud"]["servers"]
        mine = next(s["id"] for s in server if s["metadata"]["gitrove:name"] == "cache")
        with bootstrap.connected(devcloud, "devcloud-tests") as connection:
            api: Any = connection
            api.compute.delete_server(mine)
            api.compute.wait_for_delete(api.compute.get_server(mine), interval=1, wait=60)
        shell.run("sync")
        assert shell.run("status").count("Healthy") == 1

        declare(shell, CACHE % "small")
        shell.run("sync")
        (row,) = json.loads(shell.run("status", "--output", "json"))
        assert (row["health"], row["flavor"]) == ("Healthy", "small")
    finally:
        assert daemon.end() == 0
    shell.run("destroy", "--yes")

    told = consumed(shell)
    for name, traits in told:
        if name.startswith("dbaas."):
            assert BASE | set(DEFINED[name]) <= traits.keys(), name
    names = [name for name, _ in told]
    for each in (
        "dbaas.instance_create.start",
        "dbaas.instance_create.end",
        "dbaas.user_create.end",
        "dbaas.instance_resize_instance.end",
        "dbaas.instance_delete.end",
        "trove.instance.create",
        "trove.instance.modify_flavor",
        "trove.instance.exists",
        "trove.quota",
    ):
        assert each in names, names
    created = next(traits for name, traits in told if name == "trove.instance.create")
    assert created["nova_instance_id"] == mine
    assert names.count("dbaas.instance_create.start") == 1
