"""Every receiver gets everything at least once and in order, whoever is away meanwhile."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from executors.engine import Entry, State
from planners.plan import Action, Impact, Plan, Verb
from planners.steps import DeleteBackup, StartDatabase, Step, TakeBackup
from reconciler.journal import tables
from reconciler.journal.journal import Journal
from reconciler.notifications.delivery import Way, deliver
from specs.settings import NotificationSettings

TAKE = TakeBackup(
    instance="i",
    backup="b1",
    project="shop",
    instance_name="one",
    datastore="mariadb",
    name="nightly",
    parent="b0",
    origin="schedule nightly",
)
DELETE = DeleteBackup(
    instance="i", backup="b1", project="shop", instance_name="one", datastore="mariadb"
)


def action(step: Step) -> Action:
    return Action(
        id=f"shop/one/{type(step).__name__}",
        address="shop/one",
        item="thing",
        verb=Verb.CREATE,
        impact=Impact.NONE,
        step=step,
        reason="",
    )


def record(journal: Journal, *entries: tuple[Step, State]) -> None:
    run = journal.begin(Plan(revision="abc", cloud="here", actions=[]), "alice")
    run.record([Entry(action(s), state, "no room", "trace") for s, state in entries])


def waiting(journal: Journal) -> int:
    """How many notifications some receiver has not had yet."""
    with journal.connect() as connection:
        query = sa.select(sa.func.count()).select_from(tables.outbox)
        return int(connection.execute(query).scalar_one())


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    journal = Journal(f"sqlite:///{tmp_path}/journal.db", lambda: 1_795_000_000.0, notify=True)
    yield journal
    journal.close()


def to_file(name: str = "events.jsonl") -> NotificationSettings:
    return NotificationSettings(driver="file", path=name)


def at(receivers: dict[str, NotificationSettings], root: Path) -> dict[str, Way]:
    return {name: Way(each, root) for name, each in receivers.items()}


def written(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def test_a_backup_tells_of_its_start_and_end_with_the_traits_of_the_spec(
    journal: Journal, tmp_path: Path
) -> None:
    record(journal, (TAKE, State.STARTED), (TAKE, State.DONE))
    assert deliver(journal, at({"log": to_file()}, tmp_path)) == {}
    start, end = written(tmp_path / "events.jsonl")
    assert (start["type"], end["type"]) == (
        "dbaas.backup_create.start",
        "dbaas.backup_create.end",
    )
    assert start["specversion"] == "1.0" and start["subject"] == "shop/one"
    traits = start["data"]
    assert {k: traits[k] for k in ("name", "instance_id", "description", "parent_id")} == {
        "name": "nightly",
        "instance_id": "i",
        "description": "schedule nightly",
        "parent_id": "b0",
    }
    base = {"tenant_id", "client_ip", "server_ip", "server_type", "request_id"}
    assert base <= traits.keys() and traits["tenant_id"] == "shop"
    assert (traits["actor"], traits["revision"]) == ("alice", "abc")
    assert end["data"]["backup_id"] == "b1"
    assert end["data"]["request_id"] == traits["request_id"]


def test_an_error_has_its_message_and_a_deletion_its_backup(
    journal: Journal, tmp_path: Path
) -> None:
    record(journal, (DELETE, State.STARTED), (DELETE, State.FAILED))
    deliver(journal, at({"log": to_file()}, tmp_path))
    start, error = written(tmp_path / "events.jsonl")
    assert start["type"] == "dbaas.backup_delete.start" and start["data"]["backup_id"] == "b1"
    assert error["type"] == "dbaas.backup_delete.error"
    assert (error["data"]["message"], error["data"]["exception"]) == ("no room", "trace")


def test_steps_that_nobody_is_told_of_and_journals_without_receivers_make_none(
    journal: Journal, tmp_path: Path
) -> None:
    record(journal, (StartDatabase(instance="i"), State.DONE), (TAKE, State.SKIPPED))
    assert waiting(journal) == 0
    quiet = Journal(f"sqlite:///{tmp_path}/quiet.db")
    record(quiet, (TAKE, State.STARTED))
    assert waiting(quiet) == 0
    quiet.close()


def test_one_that_is_away_keeps_nobody_from_his_and_gets_all_later(
    journal: Journal, tmp_path: Path
) -> None:
    receivers = {"here": to_file("here.jsonl"), "away": to_file("away/events.jsonl")}
    record(journal, (TAKE, State.STARTED), (TAKE, State.DONE))
    faults = deliver(journal, at(receivers, tmp_path))
    assert list(faults) == ["away"] and "No such file" in faults["away"]
    assert len(written(tmp_path / "here.jsonl")) == waiting(journal) == 2
    record(journal, (DELETE, State.DONE))
    (tmp_path / "away").mkdir()
    assert deliver(journal, at(receivers, tmp_path)) == {}
    assert [e["id"] for e in written(tmp_path / "here.jsonl")] == ["1", "2", "3"]
    assert [e["id"] for e in written(tmp_path / "away" / "events.jsonl")] == ["1", "2", "3"]
    assert waiting(journal) == 0
    # Numbers are never given again, so whoever counts by them misses nothing.
    record(journal, (TAKE, State.STARTED))
    deliver(journal, at(receivers, tmp_path))
    assert written(tmp_path / "here.jsonl")[-1]["id"] == "4"


class Hook(ThreadingHTTPServer):
    """An HTTP address that answers with ``status`` and keeps what it got."""

    def __init__(self) -> None:
        self.status, self.got = 200, list[tuple[str, str, dict[str, Any]]]()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                login, kind = self.headers.get("Authorization", ""), self.headers["Content-Type"]
                if outer.status == 200:
                    outer.got.append((login, kind, body))
                self.send_response(outer.status)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Quiet."""

        super().__init__(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.serve_forever, daemon=True).start()


@pytest.fixture
def hook() -> Iterator[Hook]:
    hook = Hook()
    yield hook
    hook.shutdown()
    hook.server_close()


def test_a_webhook_gets_cloud_events_and_its_token_is_told_to_nobody_else(
    journal: Journal, hook: Hook, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"http://127.0.0.1:{hook.server_port}/events"
    settings = NotificationSettings(driver="webhook", url=url, token_from_env="HOOK_TOKEN")
    record(journal, (TAKE, State.DONE))
    assert deliver(journal, at({"hook": settings}, tmp_path)) == {
        "hook": "the environment variable HOOK_TOKEN is not set"
    }
    monkeypatch.setenv("HOOK_TOKEN", "s3cret")
    hook.status = 503
    assert deliver(journal, at({"hook": settings}, tmp_path)) == {"hook": f"{url} answers 503"}
    hook.status = 200
    assert deliver(journal, at({"hook": settings}, tmp_path)) == {}
    ((login, kind, body),) = hook.got
    assert login == "Bearer s3cret" and kind.startswith("application/cloudevents+json")
    assert body["type"] == "dbaas.backup_create.end" and body["id"] == "1"


def test_a_message_bus_that_does_not_answer_is_told_without_its_password(
    journal: Journal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BUS", "rabbit://guest:s3cret@127.0.0.1:1/")
    settings = NotificationSettings(driver="messaging", url_from_env="BUS")
    record(journal, (TAKE, State.DONE))
    faults = deliver(journal, at({"bus": settings}, tmp_path))
    assert "the message bus does not take it" in faults["bus"] and "s3cret" not in faults["bus"]
    assert waiting(journal) == 1
