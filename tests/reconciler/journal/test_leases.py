"""Leases on a real PostgreSQL: one holder at a time, tokens that grow, and fences that hold."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from executors.engine import Entry, State
from guest_agent.toolkit.processes import wait_until
from planners.plan import Action, Plan, Verb
from planners.steps import StartDatabase
from reconciler.journal import journal as journals
from reconciler.journal.journal import Journal
from reconciler.journal.leases import Fenced, Held, Leases, exclusive, share
from reconciler.locks import Locked
from tests.support.postgresql_server import PostgresqlServer


@pytest.fixture
def url(short_folder: Path) -> Iterator[str]:
    with PostgresqlServer(short_folder / "pg") as server:
        yield server.url


def entry() -> Entry:
    step = StartDatabase(instance="i")
    action = Action(id="a", address="shop/one", item="x", verb=Verb.UPDATE, step=step, reason="")
    return Entry(action, State.STARTED)


def test_one_holds_a_project_at_a_time_and_its_end_frees_it(url: str) -> None:
    journal = Journal(url)
    first, second = Leases(journal, "first", 30.0), Leases(journal, "second", 30.0)
    with first.held(["shop", "lab"]) as held:
        assert held.tokens == {"lab": 1, "shop": 1}
        with pytest.raises(Locked, match="shop is being applied by first; its lease ends within"):
            second.held(["shop"]).__enter__()
        with second.held(["web"]) as others:
            assert others.tokens == {"web": 1}
    with second.held(["shop"]) as held:
        assert held.tokens == {"shop": 2}
    journal.close()


def test_a_lease_is_renewed_while_it_is_held_and_ends_when_its_holder_is_silent(url: str) -> None:
    journal = Journal(url)
    living, dead = Leases(journal, "living", 0.6), Leases(journal, "dead", 0.6)
    with living.held(["shop"]):
        assert not wait_until(lambda: _taken(dead, "shop"), 1.5)
    dead._take(["shop"])
    assert not _taken(living, "shop")
    assert wait_until(lambda: _taken(living, "shop"), 2)
    journal.close()


def test_several_may_begin_with_an_empty_database_at_once(url: str) -> None:
    problems: list[Exception] = []

    def begin() -> None:
        try:
            Journal(url).close()
        except Exception as error:  # noqa: BLE001
            problems.append(error)

    threads = [threading.Thread(target=begin) for _ in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert problems == []


def _taken(leases: Leases, project: str) -> bool:
    try:
        with leases.held([project]):
            return True
    except Locked:
        return False


def test_who_lost_the_lease_starts_nothing_more(url: str) -> None:
    journal = Journal(url)
    paused, other = Leases(journal, "paused", 0.3), Leases(journal, "other", 30.0)
    held = Held(journal, paused._take(["shop"]), 0.3, time.monotonic() + 0.3)
    run = journal.begin(Plan(), "tester", held.fence)
    run.record([entry()])
    assert wait_until(lambda: _expired(journal), 2)
    with pytest.raises(Fenced):
        run.record([entry()])
    with other.held(["shop"]), pytest.raises(Fenced, match="the lease of shop has ended"):
        run.record([entry()])
    # Nothing of it is in the journal; that an action ended may still be told.
    assert len(journal.run_entries(run.id)) == 1
    run.record([Entry(entry().action, State.DONE)])
    journal.close()


def test_who_was_paused_goes_on_only_if_nobody_else_took_over(url: str) -> None:
    journal = Journal(url)
    paused, other = Leases(journal, "paused", 0.3), Leases(journal, "other", 30.0)
    held = Held(journal, paused._take(["lab", "shop"]), 0.3, time.monotonic() + 0.3)
    held.permit()
    assert wait_until(lambda: _expired(journal), 2)
    # Nobody took it: it is taken again, and good for as long.
    held.permit()
    assert not _taken(other, "shop")
    assert wait_until(lambda: _expired(journal), 2)
    with other.held(["shop"]), pytest.raises(Fenced, match="the lease of shop has ended"):
        held.permit()
    with pytest.raises(Fenced):
        held.permit()
    journal.close()


def test_without_the_journal_a_lease_is_good_for_its_time_and_no_longer(
    short_folder: Path,
) -> None:
    with PostgresqlServer(short_folder / "pg") as server:
        journal = Journal(server.url)
        tokens = Leases(journal, "cut off", 1.0)._take(["shop"])
        held = Held(journal, tokens, 1.0, time.monotonic() + 1.0)
    held.permit()
    ended = time.monotonic() + 1.0
    assert wait_until(lambda: time.monotonic() > ended, 2)
    with pytest.raises(Fenced):
        held.permit()
    journal.close()


def test_who_is_paused_in_a_transaction_keeps_nobody_from_taking_over(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journals, "_IDLE_SECONDS", 1)
    paused, other = Journal(url), Journal(url)
    tokens = Leases(paused, "paused", 0.2)._take(["shop"])
    held = Held(paused, tokens, 0.2, time.monotonic() + 0.2)
    with pytest.raises(sa.exc.SQLAlchemyError), paused.connect() as connection:
        held.fence(connection)
        # It has the row; the other has to wait, and not for ever.
        assert wait_until(lambda: _taken(Leases(other, "other", 30.0), "shop"), 20)
        connection.execute(sa.text("SELECT 1"))
    # It goes on with a new connection.
    assert paused.records() == {}
    paused.close()
    other.close()


def _expired(journal: Journal) -> bool:
    with journal.connect() as connection:
        query = "SELECT expires < extract(epoch FROM clock_timestamp()) FROM leases"
        return bool(connection.exec_driver_sql(query).scalar())


def test_of_many_who_ask_at_once_one_gets_it(url: str) -> None:
    journals = [Journal(url) for _ in range(8)]
    won, start = [], threading.Barrier(8)

    def ask(number: int) -> None:
        start.wait()
        try:
            Leases(journals[number], f"controller {number}", 30.0)._take(["shop"])
            won.append(number)
        except Locked:
            pass

    threads = [threading.Thread(target=ask, args=(n,)) for n in range(8)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert len(won) == 1
    for journal in journals:
        journal.close()


def test_a_journal_in_a_file_locks_by_the_process(tmp_path: Path) -> None:
    journal = Journal(f"sqlite:///{tmp_path}/journal.db")
    with exclusive(journal, "me", 1.0, tmp_path / "locks", ["shop"]) as right:
        right.permit()
        with pytest.raises(Locked):
            exclusive(journal, "other", 1.0, tmp_path / "locks", ["shop"]).__enter__()
    journal.close()


def test_the_projects_of_one_who_ends_go_to_the_others_and_no_other_moves() -> None:
    projects = [f"project-{number}" for number in range(100)]
    three = ["a", "b", "c"]
    before = {name: share(projects, three, name) for name in three}
    assert sorted(each for mine in before.values() for each in mine) == sorted(projects)
    assert min(map(len, before.values())) > 15
    after = {name: share(projects, ["a", "b"], name) for name in ("a", "b")}
    assert before["a"] < after["a"] and before["b"] < after["b"]
    assert after["a"] | after["b"] == set(projects)
