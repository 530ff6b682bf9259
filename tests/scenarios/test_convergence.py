"""Properties of the loop: whatever is wished and found, applying leads to an empty plan."""

from __future__ import annotations

import random
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from executors.errors import Passing
from executors.guest.simulated import SimulatedUser
from planners.graph import validate
from planners.plan import encode
from specs.desired import Desired
from tests.support.worlds import SimulatedWorld, desire

NAMES = ("a", "b", "c")
DATASTORES = ("mariadb", "postgresql", "redis")
PARAMETERS: dict[str, dict[str, list[Any]]] = {
    "mariadb": {"max_connections": [50, 90], "back_log": [70, 80], "wait_timeout": [60, 90]},
    "postgresql": {"work_mem": ["4MB", "8MB"], "max_connections": [40, 50]},
    "redis": {"timeout": [0, 30], "databases": [8, 16]},
}


@st.composite
def instances(draw: st.DrawFn, name: str) -> list[dict[str, Any]]:
    """An Instance document and the group that it may refer to."""
    datastore = draw(st.sampled_from(DATASTORES))
    has_databases = datastore != "redis"
    databases = draw(st.sets(st.sampled_from(["x", "y"]))) if has_databases else set()
    users = draw(st.sets(st.sampled_from(["u", "v"])))
    grants = [{"database": d} for d in sorted(databases)]
    spec: dict[str, Any] = {
        "datastore": {"name": datastore},
        "flavor": draw(st.sampled_from(["tiny", "small", "medium"])),
        "volume": {"size": draw(st.integers(1, 3))},
        "databases": [{"name": d} for d in sorted(databases)],
        "users": [
            {"name": u, "grants": grants, "password": {"rotation": draw(st.integers(1, 2))}}
            for u in sorted(users)
        ],
        "root": {"enabled": draw(st.booleans())},
        "lifecycle": {"allowReplace": True},
        "restartPolicy": draw(st.sampled_from(["automatic", "automatic", "manual"])),
    }
    values = {
        parameter: draw(st.sampled_from(choices))
        for parameter, choices in PARAMETERS[datastore].items()
        if draw(st.booleans())
    }
    documents = [_document("Instance", name, spec)]
    if values:
        spec["configuration"] = f"g-{name}"
        group = {"datastore": {"name": datastore}, "values": values}
        documents.append(_document("ConfigurationGroup", f"g-{name}", group))
    return documents


def _document(kind: str, name: str, spec: dict[str, Any]) -> dict[str, Any]:
    return {"apiVersion": "gitrove/v1", "kind": kind, "metadata": {"name": name}, "spec": spec}


@st.composite
def wishes(draw: st.DrawFn) -> str:
    """Specs as text, which a failing example prints in full."""
    documents = []
    for name in NAMES:
        if draw(st.booleans()):
            documents += draw(instances(name))
    return "\n---\n".join(msgspec.json.encode(d).decode() for d in documents)


def meddle(world: SimulatedWorld, chance: random.Random) -> None:
    """What people and accidents do to servers."""
    state = world.cloud.state
    for server in list(state.servers.values()):
        guest = state.guests[server.metadata["gitrove:id"]]
        deed = chance.randrange(10)
        if deed == 0:
            guest.running = False
        elif deed == 1:
            state.servers[server.id] = msgspec.structs.replace(server, status="SHUTOFF")
        elif deed == 2:
            guest.users["stranger@%"] = SimulatedUser(managed=False, password="own")
        elif deed == 3 and guest.users:
            gone = sorted(guest.users)[0]
            managed = guest.users.pop(gone).managed
            guest.lost += [f"user {gone}"] if managed else []
        elif deed == 4:
            guest.file = dict.fromkeys(guest.file, "12345")
        elif deed == 5:
            guest.in_effect = dict.fromkeys(guest.in_effect, "54321")
        elif deed == 6:
            for user in guest.users.values():
                user.password = "changed by hand"
        elif deed == 7:
            for user in guest.users.values():
                user.grants = {"*": ["PROCESS"]}
        elif deed == 8:
            world.cloud.delete_server(server.id)
        elif deed == 9:
            guest.databases["stray"] = False


def rows_that_must_stay(world: SimulatedWorld, wanted: Desired) -> dict[tuple[str, str], int]:
    """Rows of managed databases that stay declared on a server that is not replaced."""
    kept = {}
    for address, instance in wanted.instances.items():
        for server in world.cloud.state.servers.values():
            same = server.metadata["gitrove:datastore"] == instance.spec.datastore.name
            if server.name != address.name or not same:
                continue
            rows = world.cloud.state.guests[server.metadata["gitrove:id"]].rows
            names = {database.name for database in instance.spec.databases}
            kept |= {(address.name, d): count for d, count in rows.items() if d in names}
    return kept


@settings(max_examples=150, deadline=None)
@given(was=wishes(), wished=wishes(), seed=st.integers(0, 10**6))
def test_applying_leads_to_an_empty_plan(was: str, wished: str, seed: int) -> None:
    before, after = desire(was), desire(wished)
    world, chance = SimulatedWorld.create(), random.Random(seed)
    assert world.converge(before).actions == []
    for guest in world.cloud.state.guests.values():
        guest.rows = dict.fromkeys(guest.databases, chance.randrange(1, 100))
    meddle(world, chance)
    must_stay = rows_that_must_stay(world, after)
    final = world.converge(after)
    assert final.actions == [] and final.obstacles == []
    for (name, database), count in must_stay.items():
        assert world.guest(after, name).rows[database] == count
    strangers = [g for g in world.cloud.state.guests.values() if "stray" in g.databases]
    assert all(not g.databases["stray"] for g in strangers)


@settings(max_examples=100, deadline=None)
@given(was=wishes(), wished=wishes(), seed=st.integers(0, 10**6))
def test_plans_are_sound_minimal_and_the_same_twice(was: str, wished: str, seed: int) -> None:
    before, after = desire(was), desire(wished)
    world = SimulatedWorld.create()
    world.converge(before)
    meddle(world, random.Random(seed))
    made = world.plan(after)
    validate(made.actions)
    assert encode(made) == encode(world.plan(after))
    acted_on = {action.address for action in made.actions}
    for address in after.instances:
        alone = world.plan(after, targets=[address])
        assert (str(address) in acted_on) == bool(alone.actions)
        assert [a.id for a in alone.actions] == [
            a.id for a in made.actions if a.address == str(address)
        ]


@settings(max_examples=150, deadline=None)
@given(was=wishes(), wished=wishes(), seed=st.integers(0, 10**6))
def test_faults_at_random_points_always_converge(was: str, wished: str, seed: int) -> None:
    before, after = desire(was), desire(wished)
    world, chance = SimulatedWorld.create(), random.Random(seed)
    world.converge(before)

    def fault(verb: str) -> None:
        if verb.startswith("observe"):
            return
        if chance.random() < 0.08:
            raise RuntimeError("a handler's defect, as an abrupt end")

    for _ in range(60):
        world.cloud.fault = fault
        world.apply(after, concurrency=1)
        if not world.plan(after).actions:
            break
    world.cloud.fault = lambda _verb: None
    final = world.converge(after)
    assert final.actions == [] and final.obstacles == []
    names = sorted(address.name for address in after.instances)
    assert sorted(s.name for s in world.cloud.state.servers.values()) == names
    assert sorted(v.name for v in world.cloud.state.volumes.values()) == names


def test_passing_faults_are_retried_within_one_apply(world: SimulatedWorld) -> None:
    desired = desire(_one())
    calls: dict[str, int] = {}

    def fault(verb: str) -> None:
        calls[verb] = calls.get(verb, 0) + 1
        if calls[verb] == 1 and verb != "observe" and not verb.startswith("observe"):
            raise Passing("busy, try again")

    world.cloud.fault = fault
    assert world.apply(desired).succeeded
    assert world.plan(desired).actions == []


def _one() -> str:
    spec = {"datastore": {"name": "redis"}, "flavor": "tiny", "volume": {"size": 1}}
    return msgspec.json.encode(_document("Instance", "a", spec)).decode()
