"""The engine: order, bound, journalling, retries, and what a failure leaves undone."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Sequence

import pytest

from executors import engine
from executors.engine import Entry, Lanes, Outcome, Refused, State, Stop, execute
from executors.errors import Failed, Passing
from guest_agent.toolkit.processes import wait_until
from planners.plan import Action, Plan, Verb
from planners.steps import StartDatabase


class Memory:
    """A sink that remembers, and says what was durable when an action ran."""

    def __init__(self) -> None:
        self.entries: list[tuple[str, State]] = []
        self.messages: dict[str, str] = {}

    def record(self, entries: Sequence[Entry]) -> None:
        self.entries += [(e.action.id, e.state) for e in entries]
        self.messages |= {e.action.id: e.message for e in entries}


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "_FIRST_PAUSE", 0.001)


def plan(**waits: str) -> Plan:
    """``b="a"`` is an action b that waits for a; several are separated by blanks."""
    return Plan(
        actions=[
            Action(
                id=name,
                address=f"shop/{name}",
                item=name,
                verb=Verb.UPDATE,
                step=StartDatabase(instance=name),
                reason="",
                after=after.split(),
            )
            for name, after in waits.items()
        ]
    )


def run(made: Plan, act: Callable[[str], None], concurrency: int = 4) -> tuple[Outcome, Memory]:
    memory = Memory()
    outcome = execute(made, lambda action: act(action.id), memory, concurrency)
    return outcome, memory


def test_an_action_starts_after_all_that_it_waits_for_and_is_recorded_first() -> None:
    memory = Memory()
    seen: dict[str, set[tuple[str, State]]] = {}

    def act(action: Action) -> None:
        seen[action.id] = set(memory.entries)

    outcome = execute(plan(a="", b="", c="a b"), act, memory, 4)
    assert outcome.succeeded and sorted(outcome.done) == ["a", "b", "c"]
    assert all((name, State.STARTED) in before for name, before in seen.items())
    assert {("a", State.DONE), ("b", State.DONE)} <= seen["c"]
    assert set(memory.entries) == {(n, s) for n in "abc" for s in (State.STARTED, State.DONE)}


def test_as_many_as_the_bound_run_at_once_and_no_more() -> None:
    running, most, lock = [0], [0], threading.Lock()
    together = threading.Barrier(3, timeout=10)

    def act(_name: str) -> None:
        with lock:
            running[0] += 1
            most[0] = max(most[0], running[0])
        together.wait()
        with lock:
            running[0] -= 1

    outcome, _ = run(plan(**{f"n{i}": "" for i in range(9)}), act, concurrency=3)
    assert outcome.succeeded and most[0] == 3


def test_a_failure_skips_what_waits_for_it_and_nothing_else() -> None:
    def act(name: str) -> None:
        if name == "a":
            raise Failed("no room", "details")

    outcome, memory = run(plan(a="", b="a", c="b", d="", e="d"), act)
    assert sorted(outcome.done) == ["d", "e"] and sorted(outcome.skipped) == ["b", "c"]
    assert [(e.action.id, e.message, e.details) for e in outcome.failed] == [
        ("a", "no room", "details")
    ]
    assert ("a", State.FAILED) in memory.entries and ("c", State.SKIPPED) in memory.entries
    assert memory.messages["c"] == "it waits for a, which failed"


def test_what_is_transient_is_tried_again_a_limited_number_of_times() -> None:
    attempts = {"a": 0, "b": 0}

    def act(name: str) -> None:
        attempts[name] += 1
        if name == "b" or attempts[name] < 3:
            raise Passing("busy")

    outcome, memory = run(plan(a="", b=""), act)
    assert outcome.done == ["a"] and attempts == {"a": 3, "b": engine._ATTEMPTS}
    assert memory.messages["b"] == "busy"


def test_a_service_that_asks_for_time_gets_it_within_a_bound(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(engine, "_LONGEST_WAIT", 7.0)
    stop, pauses, asked = Stop(), list[float](), [0.0, 5.0, 9000.0]
    monkeypatch.setattr(stop, "pause", pauses.append)

    def act(_action: Action) -> None:
        if asked:
            raise Passing("busy", wait=asked.pop(0))

    assert execute(plan(a=""), act, Memory(), 1, stop).succeeded
    assert pauses[1:] == [5.0, 7.0] and pauses[0] < 1


def test_a_defect_of_a_handler_is_a_failure_without_its_text() -> None:
    secret = "hunter2"

    def act(name: str) -> None:
        raise KeyError(secret)

    outcome, _ = run(plan(a="", b="a"), act)
    assert outcome.failed[0].message == "defect in gitrove: KeyError"
    assert secret not in outcome.failed[0].details


def test_asked_to_stop_it_finishes_what_runs_and_starts_nothing() -> None:
    stop, begun, finish = Stop(), threading.Event(), threading.Event()

    def act(action: Action) -> None:
        begun.set()
        assert finish.wait(10)

    outcome: list[Outcome] = []
    memory = Memory()
    thread = threading.Thread(
        target=lambda: outcome.append(execute(plan(a="", b="a"), act, memory, 1, stop))
    )
    thread.start()
    assert begun.wait(10)
    stop.ask()
    finish.set()
    thread.join(10)
    assert outcome[0].stopped and outcome[0].done == ["a"]
    assert memory.entries == [("a", State.STARTED), ("a", State.DONE)]


def test_a_pause_between_attempts_ends_when_asked_to_stop(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "_FIRST_PAUSE", 3600.0)
    stop, attempts = Stop(), [0]

    def act(_action: Action) -> None:
        attempts[0] += 1
        raise Passing("busy")

    done: list[Outcome] = []
    thread = threading.Thread(
        target=lambda: done.append(execute(plan(a=""), act, Memory(), 1, stop))
    )
    thread.start()
    assert wait_until(lambda: attempts[0] == 1, 10)
    stop.ask()
    thread.join(10)
    assert done and [e.message for e in done[0].failed] == ["busy"]


def test_nothing_starts_when_the_journal_cannot_be_written() -> None:
    class Broken:
        def record(self, entries: Sequence[Entry]) -> None:
            raise OSError("disk full")

    acted: list[str] = []
    with pytest.raises(OSError, match="disk full"):
        execute(plan(a=""), lambda action: acted.append(action.id), Broken(), 1)
    assert acted == []


def test_a_lane_has_a_bound_of_its_own_and_holds_up_nobody_else() -> None:
    running: Counter[str] = Counter()
    most: Counter[str] = Counter()
    lock, others = threading.Lock(), threading.Event()

    def act(action: Action) -> None:
        lane = action.id[0]
        with lock:
            running[lane] += 1
            most[lane] = max(most[lane], running[lane])
        if lane == "a":
            assert others.wait(10)  # All of a lane wait while the others go on.
        elif action.id == "b8":
            others.set()
        with lock:
            running[lane] -= 1

    names = {f"a{i}": "" for i in range(9)} | {f"b{i}": "" for i in range(9)}
    lanes = Lanes(lambda action: "a" if action.id.startswith("a") else "", 2)
    outcome = execute(plan(**names), act, Memory(), 4, lanes=lanes)
    assert outcome.succeeded and len(outcome.done) == 18
    assert most["a"] == 2


def test_what_a_lane_holds_comes_although_those_before_it_fail() -> None:
    def act(action: Action) -> None:
        raise Failed("no")

    names = {f"a{i}": "" for i in range(5)}
    outcome = execute(plan(**names), act, Memory(), 4, lanes=Lanes(lambda _: "host", 1))
    assert len(outcome.failed) == 5 and not outcome.stopped


def test_a_sink_that_refuses_ends_its_own_run_and_nobody_elses() -> None:
    class Fenced(Memory):
        def record(self, entries: Sequence[Entry]) -> None:
            if any(entry.action.id == "b" for entry in entries):
                raise Refused("another has the lease")
            super().record(entries)

    stop, memory, acted = Stop(), Fenced(), list[str]()
    outcome = execute(plan(a="", b="a", c="b"), lambda a: acted.append(a.id), memory, 4, stop)
    assert acted == ["a"] and outcome.stopped and not outcome.succeeded
    assert outcome.refused == "another has the lease"
    assert memory.entries == [("a", State.STARTED), ("a", State.DONE)]
    # The daemon's projects share one stop.
    assert not stop.asked
    assert execute(plan(d=""), lambda a: acted.append(a.id), Memory(), 4, stop).succeeded


def test_who_may_not_go_on_leaves_the_action_as_a_crash_does() -> None:
    memory, others = Memory(), threading.Event()

    def act(action: Action) -> None:
        if action.id == "a":
            raise Refused("another has the lease")
        others.wait(10)

    threading.Timer(0.05, others.set).start()
    outcome = execute(plan(a="", b="", c="a", d="b"), act, memory, 4)
    assert outcome.refused == "another has the lease" and outcome.stopped
    assert (outcome.done, outcome.failed, outcome.skipped) == (["b"], [], [])
    ends = [each for each in memory.entries if each[1] is not State.STARTED]
    assert ends == [("b", State.DONE)]
