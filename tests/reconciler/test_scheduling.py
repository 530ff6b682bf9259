"""Schedules on a simulated cloud: executions, retention, faults, and a thousand in one minute."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from executors.engine import Entry, State
from executors.errors import Failed
from planners.observed import StoredBackup
from planners.plan import Plan
from policy.verdict import DENY, Finding, Verdict
from reconciler import applying
from reconciler.journal.executions import ERROR, RUNNING, SUCCESS, Executions
from reconciler.journal.journal import Journal
from reconciler.scheduling import Scheduler
from specs.desired import Desired
from tests.support.worlds import DEFINITIONS, SimulatedWorld, desire

MINUTE = 60.0
HOUR = 60 * MINUTE
START = 1_795_000_000.0 - 1_795_000_000.0 % HOUR
ONE = """
apiVersion: gitrove/v1
kind: Instance
metadata: {name: orders%s, labels: {tier: gold}}
spec: {datastore: {name: mariadb}, flavor: tiny, volume: {size: 1}, databases: [{name: store}]}
---
"""
SCHEDULE = """
apiVersion: gitrove/v1
kind: BackupSchedule
metadata: {name: hourly}
spec:
  cron: "0 * * * *"
  targets: {labels: {tier: gold}}
  fullEvery: 2
  retention: {count: 2}
"""


class Clock:
    now = START

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def scheduler(world: SimulatedWorld, desired: Desired, clock: Clock, denied: str = "") -> Scheduler:
    def judge(_plan: Plan) -> Verdict:
        return Verdict((Finding(DENY, "rule", denied),) if denied else ())

    world.journal._clock = clock
    acted_on = applying.World(
        world.cloud,
        world.guests,
        world.key,
        DEFINITIONS,
        world.journal,
        world.locks,
        stores=world.stores,
    )
    return Scheduler(desired, acted_on, Executions(world.journal), judge, 8)


def look(world: SimulatedWorld, desired: Desired, clock: Clock, denied: str = "") -> int:
    """One look of the daemon; how many backups were due."""
    ours = scheduler(world, desired, clock, denied)
    begun = ours.begin(clock.now)
    ours.run(begun)
    return len(begun)


def states(world: SimulatedWorld) -> list[tuple[str, str]]:
    rows = Executions(world.journal).rows(limit=5000)
    return [(row["state"], row["output"]) for row in reversed(rows)]


def test_backups_come_at_their_times_and_the_old_ones_go(
    world: SimulatedWorld, clock: Clock
) -> None:
    desired = desire(ONE % "" + SCHEDULE)
    world.converge(desired)
    assert look(world, desired, clock) == 0
    for _ in range(6):
        clock.now += HOUR
        assert look(world, desired, clock) == 1
        assert look(world, desired, clock) == 0
    assert states(world) == [(SUCCESS, "Backup complete")] * 6
    left = world.observe().backups
    assert [b.kind for b in left] == ["full", "incremental"]
    assert {b.origin for b in left} == {"schedule hourly"}
    assert world.plan(desired).actions == []


def test_what_fails_is_recorded_and_the_next_time_comes(
    world: SimulatedWorld, clock: Clock
) -> None:
    desired = desire(ONE % "" + SCHEDULE)
    world.converge(desired)
    look(world, desired, clock)

    def fault(verb: str) -> None:
        if verb == "begin_backup":
            raise Failed("no room")

    world.cloud.fault = fault
    clock.now += HOUR
    look(world, desired, clock)
    world.cloud.fault = lambda _verb: None
    clock.now += HOUR
    look(world, desired, clock)
    assert states(world) == [(ERROR, "no room"), (SUCCESS, "Backup complete")]


def test_policy_and_missing_instances_are_recorded(world: SimulatedWorld, clock: Clock) -> None:
    desired = desire(ONE % "" + SCHEDULE)
    look(world, desired, clock)
    clock.now += HOUR
    look(world, desired, clock)
    world.converge(desired)
    clock.now += HOUR
    look(world, desired, clock, denied="the quota is used up")
    assert states(world) == [
        (ERROR, "the instance does not exist"),
        (ERROR, "the quota is used up"),
    ]


def test_a_daemon_that_was_killed_leaves_its_executions_as_interrupted(
    world: SimulatedWorld, clock: Clock
) -> None:
    desired = desire(ONE % "" + SCHEDULE)
    world.converge(desired)
    look(world, desired, clock)
    clock.now += HOUR
    scheduler(world, desired, clock).begin(clock.now)
    assert [state for state, _ in states(world)] == [RUNNING]
    Executions(world.journal).interrupt()
    assert states(world) == [(ERROR, "the daemon ended while it ran")]
    assert look(world, desired, clock) == 0
    clock.now += HOUR
    assert look(world, desired, clock) == 1


def test_backups_of_others_are_never_let_go(world: SimulatedWorld, clock: Clock) -> None:
    declared = "---\napiVersion: gitrove/v1\nkind: Backup\nmetadata: {name: mine}\n"
    desired = desire(ONE % "" + SCHEDULE + declared + "spec: {instance: orders}\n")
    world.converge(desired)
    look(world, desired, clock)
    for _ in range(5):
        clock.now += HOUR
        look(world, desired, clock)
    assert "mine" in [b.name for b in world.observe().backups]


def test_a_thousand_schedules_in_the_same_minute(clock: Clock, tmp_path: Path) -> None:
    """Every one of them is served, in one look, with one snapshot of the cloud before it."""
    world = SimulatedWorld.create()
    text = "".join(ONE % f"-{n}" for n in range(1000))
    text += "---".join(
        SCHEDULE.replace("name: hourly", f"name: hourly-{n}").replace(
            "labels: {tier: gold}", f"instances: [orders-{n}]"
        )
        for n in range(1000)
    )
    desired = desire(text)
    assert len(desired.schedules) == 1000
    world.converge(desired)
    look(world, desired, clock)
    clock.now += HOUR
    assert look(world, desired, clock) == 1000
    assert states(world) == [(SUCCESS, "Backup complete")] * 1000
    assert len(world.observe().backups) == 1000


def test_a_journal_without_executions_gets_them(tmp_path: Path) -> None:
    """The first journal had no schedules; opening it brings it up to date."""
    import sqlalchemy as sa
    from alembic import command
    from alembic.config import Config

    url = f"sqlite:///{tmp_path}/journal.db"
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        config = Config()
        folder = Path(__file__).parents[2] / "reconciler" / "journal" / "migrations"
        config.set_main_option("script_location", str(folder))
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
    journal = Journal(url)
    assert Executions(journal).last() == {}
    journal.close()


def test_only_so_many_are_taken_on_one_host_at_once(world: SimulatedWorld, clock: Clock) -> None:
    many = "".join(ONE % number for number in range(6))
    desired = desire(many + SCHEDULE)
    world.converge(desired)
    look(world, desired, clock)
    clock.now += HOUR
    running: set[str] = set()
    most = [0]

    def progress(entry: Entry) -> None:
        if entry.state is State.STARTED:
            running.add(entry.action.id)
        else:
            running.discard(entry.action.id)
        most[0] = max(most[0], len(running))

    ours = replace(scheduler(world, desired, clock), per_host=3, progress=progress)
    ours.run(ours.begin(clock.now))
    assert [state for state, _ in states(world)] == [SUCCESS] * 6
    assert most[0] == 3


def test_a_clock_that_goes_back_repeats_nothing_and_loses_nothing(
    world: SimulatedWorld, clock: Clock
) -> None:
    desired = desire(ONE % "" + SCHEDULE)
    world.converge(desired)
    look(world, desired, clock)
    for _ in range(2):
        clock.now += HOUR
        assert look(world, desired, clock) == 1
    before = world.observe().backups
    clock.now -= 3 * HOUR
    for _ in range(3):
        assert look(world, desired, clock) == 0
        clock.now += HOUR
    assert look(world, desired, clock) == 0
    assert world.observe().backups == before
    clock.now += HOUR
    assert look(world, desired, clock) == 1


def test_each_so_many_th_backup_is_restored_and_its_execution_says_so(
    world: SimulatedWorld, clock: Clock
) -> None:
    desired = desire(ONE % "" + SCHEDULE.replace("fullEvery: 2", "verifyEvery: 2"))
    world.converge(desired)
    look(world, desired, clock)
    restored: list[str] = []

    def verify(backup: StoredBackup) -> list[str]:
        restored.append(backup.name)
        if len(restored) == 2:
            raise RuntimeError("the object 000000 is damaged")
        return ["store"]

    for _ in range(4):
        clock.now += HOUR
        ours = replace(scheduler(world, desired, clock), verify=verify)
        ours.run(ours.begin(clock.now))
    first, second, third, fourth = states(world)
    assert first == third == (SUCCESS, "Backup complete")
    assert second == (SUCCESS, "Backup complete and restored: store")
    text = "Backup complete, but it cannot be restored: the object 000000 is damaged"
    assert fourth == (ERROR, text)
    assert len(restored) == 2


def test_a_schedule_has_a_storage_and_chains_of_its_own(
    world: SimulatedWorld, clock: Clock
) -> None:
    near, far = (
        SCHEDULE,
        SCHEDULE.replace("hourly}", "far}").replace("fullEvery", "storage: offsite\n  fullEvery"),
    )
    desired = desire(ONE % "" + near + "---" + far)
    world.converge(desired)
    look(world, desired, clock)
    for _ in range(4):
        clock.now += HOUR
        assert look(world, desired, clock) == 2
    left = world.observe().backups
    for storage, origin in (("", "schedule hourly"), ("offsite", "schedule far")):
        mine = [b for b in left if b.storage == storage]
        assert {b.origin for b in mine} == {origin}
        assert [b.kind for b in mine] == ["full", "incremental"]
        assert mine[1].parent == mine[0].id
    assert world.plan(desired).actions == []
