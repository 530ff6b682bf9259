"""The loop on a simulated cloud: modes, holds, faults, fairness, and what is told of it."""

from __future__ import annotations

import threading
from pathlib import Path

import git
import pytest

from executors.errors import Failed, Passing
from guest_agent.toolkit.processes import wait_until
from reconciler.health import Health
from tests.support.daemons import Loop, instances
from tests.support.worlds import SimulatedWorld

ONE = "shop/one"


@pytest.fixture
def loop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Loop:
    monkeypatch.setenv("GITROVE_HOME", str(tmp_path / "home"))
    (tmp_path / "repository").mkdir()
    (tmp_path / "home").mkdir()
    return Loop(tmp_path / "repository", SimulatedWorld.create(tmp_path))


def test_commits_are_applied_and_drift_is_repaired(loop: Loop) -> None:
    commit = loop.commit(instances("tiny", ONE, "shop/two"))
    loop.tick(2)
    assert loop.names() == ["one", "two"]
    state = loop.of(ONE)
    assert (state.health, state.revision, state.pending) == (Health.HEALTHY, commit, 0)
    since = state.since

    loop.world.cloud.delete_server(next(iter(loop.world.cloud.state.servers)))
    loop.tick()
    assert loop.names() == ["one", "two"]
    loop.tick(2)
    assert loop.of("shop/two").health is Health.HEALTHY
    assert min(loop.of(a).since for a in (ONE, "shop/two")) == since
    runs = loop.world.journal.runs(10)
    assert {run["revision"] for run in runs} == {commit}

    loop.commit(instances("small", ONE))
    loop.tick(2)
    assert loop.names() == ["one"] and loop.flavor("one") == "small"
    assert list(loop.resources.read()) == [ONE]


def test_nothing_is_looked_at_before_it_is_time(loop: Loop) -> None:
    loop.commit(instances("tiny", ONE))
    loop.tick(3)
    rounds = loop.controller.figures.rounds
    loop.tick(5, seconds=1)
    assert loop.controller.figures.rounds == rounds
    loop.commit(instances("small", ONE))
    loop.tick(seconds=1)
    assert loop.flavor("one") == "small"


def test_what_is_unclear_is_looked_at_again_the_sooner_the_newer_it_is(
    loop: Loop, monkeypatch: pytest.MonkeyPatch
) -> None:
    loop.commit(instances("tiny", ONE), "{interval: 600}")
    loop.tick(2)
    guests = loop.world.guests
    silent = dict.fromkeys(loop.world.cloud.state.guests)
    monkeypatch.setattr(guests, "observe", lambda _endpoints: silent)
    loop.tick(seconds=700)
    assert loop.of(ONE).health is Health.UNKNOWN
    rounds = loop.controller.figures.rounds
    loop.tick(60, seconds=1)
    # After 2, 4, 8, 16, 32 seconds, and not each second.
    assert 4 <= loop.controller.figures.rounds - rounds <= 6
    monkeypatch.undo()
    loop.tick(seconds=60)
    assert loop.of(ONE).health is Health.HEALTHY


def test_observe_and_plan_change_nothing_until_somebody_asks(loop: Loop) -> None:
    for mode in ("observe", "plan"):
        loop.commit(instances("tiny", ONE), f"{{mode: {mode}}}")
        loop.tick(2)
        state = loop.of(ONE)
        assert state.health is Health.MISSING and state.pending
        assert state.waits == f"the mode is {mode}; gitrove sync applies it"
        assert loop.names() == []
    number = loop.requests.make(loop.watch.name, "sync", "shop", "alice")
    loop.tick(seconds=1)
    assert loop.requests.outcome(number) == "4 actions begun"
    loop.tick()
    assert loop.of(ONE).health is Health.HEALTHY


def test_who_asks_gets_the_newest_commit_although_it_is_not_time_to_fetch(loop: Loop) -> None:
    loop.commit(instances("tiny", ONE))
    loop.tick(2)
    loop.commit(instances("small", ONE))
    loop.controller.tick(fetch=False)
    assert not loop.controller.running and loop.flavor("one") == "tiny"
    loop.requests.make(loop.watch.name, "sync", "", "alice")
    loop.controller.tick(fetch=False)
    assert wait_until(lambda: not loop.controller.running, 30)
    assert loop.flavor("one") == "small"


def test_heal_repairs_what_was_applied_and_leaves_commits_to_people(loop: Loop) -> None:
    loop.commit(instances("tiny", ONE))
    loop.tick(2)
    loop.commit(instances("small", ONE), "{mode: heal}")
    loop.tick(2)
    assert loop.flavor("one") == "tiny"
    assert "this is a new commit" in loop.of(ONE).waits
    # What broke is repaired, whatever else waits.
    loop.world.cloud.delete_server(next(iter(loop.world.cloud.state.servers)))
    loop.tick()
    assert loop.names() == ["one"]
    loop.requests.make(loop.watch.name, "sync", ONE, "alice")
    loop.tick(2, seconds=1)
    assert loop.flavor("one") == "small"
    # And so is drift from what was applied.
    server = next(iter(loop.world.cloud.state.servers))
    loop.world.cloud.resize_server(server, "medium")
    loop.tick(2)
    assert loop.flavor("one") == "small"


def test_instance_and_project_have_modes_of_their_own(loop: Loop) -> None:
    text = instances("tiny", ONE, "shop/two", "lab/one")
    text = text.replace("volume: {size: 1}}", "volume: {size: 1}, reconcile: {mode: full}}", 1)
    loop.commit(text, "{mode: observe, projects: {lab: {mode: full}}}")
    loop.tick(2)
    assert {a: r.health for a, r in loop.resources.read().items()} == {
        "lab/one": Health.HEALTHY,
        ONE: Health.HEALTHY,
        "shop/two": Health.MISSING,
    }


def test_what_is_suspended_is_left_alone_until_it_is_resumed(loop: Loop) -> None:
    loop.commit(instances("tiny", ONE))
    loop.tick(2)
    loop.requests.suspend(ONE, "alice", "debugging", 300.0)
    loop.commit(instances("small", ONE))
    loop.tick(2)
    assert loop.of(ONE).health is Health.SUSPENDED and loop.flavor("one") == "tiny"
    loop.requests.make(loop.watch.name, "sync", "", "alice")
    loop.tick()
    assert loop.flavor("one") == "tiny"
    # What is asked counts at once.
    assert loop.requests.resume(ONE) and not loop.requests.resume(ONE)
    loop.requests.suspend("shop", "alice", "", 300.0)
    loop.tick(seconds=1)
    assert "the project shop is suspended" in loop.of(ONE).reason
    loop.tick(3, seconds=200.0)
    assert loop.of(ONE).health is Health.HEALTHY and loop.flavor("one") == "small"


def test_a_freeze_holds_changes_and_not_repairs(loop: Loop) -> None:
    loop.commit(instances("tiny", ONE))
    loop.tick(2)
    freeze = '{begins: "2020-01-01T00:00:00Z", ends: "2040-01-01T00:00:00Z", reason: holidays}'
    loop.commit(instances("small", ONE), f"{{freezes: [{freeze}]}}")
    loop.world.cloud.delete_server(next(iter(loop.world.cloud.state.servers)))
    loop.tick(2)
    assert loop.names() == ["one"]
    loop.commit(instances("medium", ONE), f"{{freezes: [{freeze}]}}")
    loop.tick(2)
    assert loop.flavor("one") != "medium"
    assert loop.of(ONE).waits == "frozen until 2040-01-01 00:00:00 (holidays)"


def test_what_interrupts_waits_for_the_window_and_the_rest_does_not(loop: Loop) -> None:
    loop.commit(instances("tiny", ONE))
    loop.tick(2)
    # The clock begins at 11:06:40 UTC.
    nightly = "{windows: [{cron: '0 22 * * *', duration: 2h}]}"
    loop.commit(instances("small", ONE).replace("size: 1", "size: 2"), nightly)
    loop.tick(2)
    (volume,) = loop.world.cloud.state.volumes.values()
    assert volume.size == 2 and loop.flavor("one") == "tiny"
    assert "costs downtime, and waits for the window at 2026-11-18 22:00:00" in loop.of(ONE).waits
    assert loop.of(ONE).health is Health.HEALTHY
    loop.tick(2, seconds=11.5 * 3600 / 2)
    assert loop.flavor("one") == "small"


def test_what_fails_is_tried_again_ever_later_and_told(loop: Loop) -> None:
    broken = True

    def fault(verb: str) -> None:
        if broken and verb == "resize_server":
            raise Failed("no host has room")

    loop.commit(instances("tiny", ONE))
    loop.tick(2)
    loop.world.cloud.fault = fault
    loop.commit(instances("small", ONE))
    tried = []
    for _ in range(60):
        loop.tick(seconds=5)
        tried.append(loop.of(ONE).failures)
    assert loop.of(ONE).health is Health.DEGRADED
    assert loop.of(ONE).reason == "no host has room"
    assert "tried again at" in loop.of(ONE).waits
    # After 10, 20, 40, 80 s, and so on: five times within 300 s.
    assert tried[-1] == 5 and tried[0] == 1
    loop.restarted()
    loop.tick(seconds=5)
    assert loop.of(ONE).failures == 5
    broken = False
    loop.commit(instances("medium", ONE))
    loop.tick(2, seconds=5)
    assert loop.of(ONE).health is Health.HEALTHY and loop.of(ONE).failures == 0


def test_a_cloud_that_cannot_be_seen_makes_everything_unknown_and_changes_nothing(
    loop: Loop,
) -> None:
    loop.commit(instances("tiny", ONE))
    loop.tick(2)

    def away(_verb: str) -> None:
        raise Passing("connection refused")

    loop.world.cloud.fault = away
    loop.commit("")
    loop.tick(2)
    assert loop.of(ONE).health is Health.UNKNOWN
    loop.world.cloud.fault = lambda _verb: None
    loop.tick()
    assert loop.names() == ["one"]
    # An empty commit looks like an accident.
    assert "the plan destroys 1 of 1 instances" in loop.of(ONE).reason


def test_a_project_that_hangs_keeps_nobody_else_waiting(loop: Loop) -> None:
    hanging, go_on = threading.Event(), threading.Event()
    real = loop.world.cloud.create_port

    def create_port(identity, address=""):  # type: ignore[no-untyped-def]
        if identity.project == "stuck":
            hanging.set()
            go_on.wait(60)
        real(identity, address)

    loop.world.cloud.create_port = create_port  # type: ignore[method-assign]
    loop.commit(instances("tiny", "stuck/one", "shop/one", "lab/one"))
    loop.clock.now += 61
    loop.controller.tick()
    assert hanging.wait(30)
    for _ in range(100):
        loop.clock.now += 61
        loop.controller.tick()
        states = loop.resources.read()
        if states["shop/one"].health == states["lab/one"].health == Health.HEALTHY:
            break
        threading.Event().wait(0.05)
    else:
        pytest.fail(str(states))
    assert states["stuck/one"].health is Health.PROGRESSING
    go_on.set()
    loop.tick(3)
    assert loop.of("stuck/one").health is Health.HEALTHY


def test_an_obstacle_of_one_instance_keeps_no_other(loop: Loop) -> None:
    loop.commit(instances("tiny", ONE) + instances("enormous", "shop/two"))
    loop.tick(2)
    assert loop.names() == ["one"]
    assert loop.of("shop/two").health is Health.DEGRADED
    assert "no flavor" in loop.of("shop/two").reason


def test_what_does_not_last_is_not_done_forever(loop: Loop) -> None:
    loop.commit(instances("tiny", ONE))
    loop.tick(2)
    loop.commit(instances("small", ONE))
    resized = []

    def resize_server(server: str, flavor: str) -> None:
        resized.append(flavor)

    loop.world.cloud.resize_server = resize_server  # type: ignore[method-assign]
    for _ in range(60):
        loop.tick(seconds=5)
    assert len(resized) <= 7
    assert loop.of(ONE).reason == "what was done did not last; it is planned again"


def test_rewritten_history_waits_for_a_person(loop: Loop) -> None:
    loop.commit(instances("tiny", ONE, "shop/two"))
    loop.tick(2)
    loop.commit(instances("small", ONE, "shop/two"))
    loop.tick(2)
    with git.Repo(loop.root) as repository:
        repository.git.reset("--hard", "HEAD~1")
    loop.tick(2)
    (source,) = loop.resources.sources()
    assert "history was rewritten" in source.problem and loop.flavor("one") == "small"
    older = git.Repo(loop.root).head.commit.hexsha
    loop.requests.make(loop.watch.name, "accept", older[:10], "alice")
    loop.tick(2)
    assert loop.flavor("one") == "tiny"
    (source,) = loop.resources.sources()
    assert source.problem == "" and source.revision == older
