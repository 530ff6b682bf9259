"""Every datastore, on a real server behind a real agent: one suite for all of them."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pymysql
import pytest
import redis

from planners.plan import Impact, Plan, Verb
from planners.steps import SecretSource
from specs.desired import Desired
from specs.problems import SpecProblems
from tests.support.databases import KINDS, Kind, cache
from tests.support.worlds import LocalWorld, desire


def declared(kind: Kind, **changes: Any) -> Desired:
    """An instance ``one`` of this kind, with what the keyword arguments change."""
    spec: dict[str, Any] = {
        "datastore": {"name": kind.name},
        "flavor": "tiny",
        "volume": {"size": 1},
        "configuration": "group",
    }
    values = changes.pop("values", {})
    spec |= changes
    documents = [("Instance", "one", spec)]
    group = {"datastore": {"name": kind.name}, "values": values}
    documents.append(("ConfigurationGroup", "group", group))
    texts = [
        json.dumps({"apiVersion": "gitrove/v1", "kind": k, "metadata": {"name": n}, "spec": s})
        for k, n, s in documents
    ]
    return desire("\n---\n".join(texts))


def grants(kind: Kind, some: bool = False) -> list[dict[str, Any]]:
    if not kind.databases:
        return [{"privileges": ["~app:*", "+@read", "+@connection"] if some else ["ALL"]}]
    few = ["SELECT"] if kind.name == "mariadb" else ["CONNECT"]
    return [{"database": "store", "privileges": few if some else ["ALL"]}]


def user(kind: Kind, name: str = "app", **more: Any) -> dict[str, Any]:
    return {"name": name, "grants": grants(kind), **more}


def databases(kind: Kind, *names: str) -> list[dict[str, str]]:
    return [{"name": name} for name in names] if kind.databases else []


@pytest.fixture(params=KINDS, ids=lambda kind: kind.name)
def kind(request: pytest.FixtureRequest) -> Kind:
    found: Kind = request.param
    return found


@pytest.fixture
def one(kind: Kind, local_world: LocalWorld) -> Iterator[LocalWorld]:
    """A world in which the instance ``one`` runs, with a database and a user."""
    desired = declared(kind, databases=databases(kind, "store"), users=[user(kind)])
    assert local_world.converge(desired).actions == []
    yield local_world


def login(world: LocalWorld, kind: Kind, name: str = "app") -> tuple[str, str, str]:
    return world.address("one"), name, world.password("one", f"{name}@{kind.host}")


def as_agent(world: LocalWorld, kind: Kind, *queries: str) -> Any:
    """Run queries with the agent's own login: what a meddling administrator could do."""
    settings = json.loads((world.place("one") / "agent.json").read_text())
    socket = f"{settings['local']}/runtime"
    secret = settings["secret"]
    answer = None
    for query in queries:
        if kind.name == "mariadb":
            connection = pymysql.connect(
                unix_socket=f"{socket}/mysqld.sock", user="os_admin", password=secret
            )
            with connection, connection.cursor() as cursor:
                cursor.execute(query)
                row = cursor.fetchone()
                answer = row[0] if row else None
        elif kind.name == "postgresql":
            answer = kind.ask(socket, "os_admin", secret, query)
        else:
            client = redis.Redis(
                unix_socket_path=f"{socket}/redis.sock",
                username="os_admin",
                password=secret,
                decode_responses=True,
            )
            answer = client.execute_command(*query.split(" "))
    return answer


def in_effect(world: LocalWorld, kind: Kind, parameter: str) -> str:
    found = as_agent(world, kind, kind.variable(parameter))
    return str(found[parameter] if isinstance(found, dict) else found)


def only(plan: Plan, *steps: str) -> None:
    assert sorted(type(action.step).__name__ for action in plan.actions) == sorted(steps)


def test_a_user_connects_with_the_issued_password_only(kind: Kind, one: LocalWorld) -> None:
    host, name, password = login(one, kind)
    query = "PING" if kind.name == "redis" else "SELECT 1"
    assert kind.ask(host, name, password, query, *(["store"] if kind.databases else []))
    with pytest.raises(kind.refused):
        kind.ask(host, name, "not the password", query)
    with pytest.raises(kind.refused):
        kind.ask(host, "os_admin", json.loads(agent_settings(one))["secret"], "SELECT 1") if (
            kind.databases
        ) else cache(host, name, password, "CONFIG GET maxmemory")


def agent_settings(world: LocalWorld) -> str:
    return (world.place("one") / "agent.json").read_text()


def test_parameters_change_live_or_at_a_restart(kind: Kind, one: LocalWorld) -> None:
    base = {"databases": databases(kind, "store"), "users": [user(kind)]}
    (live, first, second), (late, early, later) = kind.live, kind.restart
    one.converge(declared(kind, values={live: first, late: early}, **base))
    assert (in_effect(one, kind, live), in_effect(one, kind, late)) == (first, early)
    born = one.process("one").create_time()
    only(one.plan(declared(kind, values={live: second, late: early}, **base)), "Configure")
    one.converge(declared(kind, values={live: second, late: early}, **base))
    assert in_effect(one, kind, live) == second
    assert one.process("one").create_time() == born
    changed = declared(kind, values={live: second, late: later}, **base)
    plan = one.plan(changed)
    only(plan, "Configure", "RestartDatabase")
    assert plan.actions[-1].impact is Impact.RESTART
    one.converge(changed)
    assert in_effect(one, kind, late) == later
    assert one.process("one").create_time() > born


def test_a_larger_volume_needs_no_restart(kind: Kind, one: LocalWorld) -> None:
    base = {"databases": databases(kind, "store"), "users": [user(kind)]}
    born = one.process("one").create_time()
    larger = declared(kind, volume={"size": 3}, **base)
    only(one.plan(larger), "ExtendVolume")
    assert one.converge(larger).actions == []
    assert [volume.size for volume in one.cloud.observe().volumes] == [3]
    assert one.process("one").create_time() == born
    (note,) = one.plan(declared(kind, **base)).notes
    assert "it never shrinks" in note.text


def test_manual_restart_policy_leaves_the_restart_pending(kind: Kind, one: LocalWorld) -> None:
    base = {"databases": databases(kind, "store"), "users": [user(kind)]}
    late, early, _ = kind.restart
    before = in_effect(one, kind, late)
    waiting = declared(kind, values={late: early}, restartPolicy="manual", **base)
    final = one.converge(waiting)
    assert final.actions == [] and "waits for a restart" in final.notes[0].text
    assert in_effect(one, kind, late) == before
    assert one.report("one").configuration.restart_required == [late]
    one.converge(declared(kind, values={late: early}, **base))
    assert in_effect(one, kind, late) == early


def test_a_detached_group_returns_parameters_to_their_defaults(kind: Kind, one: LocalWorld) -> None:
    base = {"databases": databases(kind, "store"), "users": [user(kind)]}
    (live, first, _), (late, early, _) = kind.live, kind.restart
    before = in_effect(one, kind, live), in_effect(one, kind, late)
    one.converge(declared(kind, values={live: first, late: early}, **base))
    one.converge(declared(kind, **base))
    assert (in_effect(one, kind, live), in_effect(one, kind, late)) == before


def test_another_flavor_gives_the_server_another_memory(kind: Kind, one: LocalWorld) -> None:
    memory = {
        "mariadb": "innodb_buffer_pool_size",
        "postgresql": "shared_buffers",
        "redis": "maxmemory",
    }[kind.name]
    before = int(in_effect(one, kind, memory))
    larger = declared(kind, flavor="small", databases=databases(kind, "store"), users=[user(kind)])
    assert one.plan(larger).actions[0].impact is Impact.DOWNTIME
    assert one.converge(larger).actions == []
    assert int(in_effect(one, kind, memory)) > before * 1.5


def test_users_change_password_and_grants_and_go(kind: Kind, one: LocalWorld) -> None:
    some = user(kind, grants=grants(kind, some=True), password={"rotation": 2})
    changed = declared(kind, databases=databases(kind, "store"), users=[some])
    only(one.plan(changed), "SetPassword", "SetGrants")
    host, name, old = login(one, kind)
    assert one.converge(changed).actions == []
    query = "PING" if kind.name == "redis" else "SELECT 1"
    with pytest.raises(kind.refused):
        kind.ask(host, name, old, query)
    denied = {
        "mariadb": "CREATE TABLE t (i INT)",
        "postgresql": "CREATE TABLE t (i INT)",
        "redis": "SET app:x 1",
    }[kind.name]
    instance = one.server("one").metadata["gitrove:id"]
    new = one.key.password(instance, f"{name}@{kind.host}", SecretSource(rotation=2))
    with pytest.raises(kind.refused):
        kind.ask(host, name, new, denied, *(["store"] if kind.databases else []))
    assert one.converge(declared(kind, databases=databases(kind, "store"))).actions == []
    with pytest.raises(kind.refused):
        kind.ask(host, name, new, query)


def test_root_is_enabled_disabled_and_remembered(kind: Kind, one: LocalWorld) -> None:
    base = {"databases": databases(kind, "store"), "users": [user(kind)]}
    assert not one.report("one").root.ever_enabled
    one.converge(declared(kind, root={"enabled": True}, **base))
    host, password = one.address("one"), one.password("one", "root")
    query = "PING" if kind.name == "redis" else "SELECT 1"
    assert kind.ask(host, kind.root, password, query)
    one.converge(declared(kind, **base))
    with pytest.raises(kind.refused):
        kind.ask(host, kind.root, password, query)
    root = one.report("one").root
    assert not root.enabled and root.ever_enabled
    assert len(one.journal.root_history("shop/one")) == 1


def test_drift_is_found_and_repaired(kind: Kind, one: LocalWorld) -> None:
    live, first, second = kind.live
    desired = declared(
        kind, values={live: first}, databases=databases(kind, "store"), users=[user(kind)]
    )
    one.converge(desired)
    as_agent(one, kind, *_meddling(kind, live, second))
    plan = one.plan(desired)
    assert plan.actions and all(action.verb is Verb.REPAIR for action in plan.actions)
    only(plan, "Configure", "SetPassword", "SetGrants", "DisableRoot")
    assert one.converge(desired).actions == []
    assert in_effect(one, kind, live) == first
    one.process("one").send_signal(signal.SIGKILL)
    only(one.plan(desired), "StartDatabase")
    assert one.converge(desired).actions == []


def _meddling(kind: Kind, live: str, value: str) -> list[str]:
    return {
        "mariadb": [
            f"SET GLOBAL {live} = {value}",
            "ALTER USER app@'%' IDENTIFIED BY 'other'",
            "REVOKE ALL PRIVILEGES ON store.* FROM app@'%'",
            "CREATE USER root@'%' IDENTIFIED BY 'own'",
        ],
        "postgresql": [
            f"ALTER SYSTEM SET {live} = '{value}kB'",
            "SELECT pg_reload_conf()",
            "SELECT pg_sleep(0.3)",
            "ALTER ROLE app PASSWORD 'other'",
            "REVOKE ALL ON DATABASE store FROM app",
            "CREATE ROLE postgres LOGIN SUPERUSER PASSWORD 'own'",
        ],
        "redis": [
            f"CONFIG SET {live} {value}",
            "ACL SETUSER app resetpass >other",
            "ACL SETUSER app nocommands +get",
            "ACL SETUSER default on >own ~* +@all",
        ],
    }[kind.name]


def test_what_others_made_is_left_alone_and_reported(kind: Kind, one: LocalWorld) -> None:
    made = {
        "mariadb": ["CREATE DATABASE theirs", "CREATE USER other@'%' IDENTIFIED BY 'x'"],
        "postgresql": ["CREATE DATABASE theirs", "CREATE ROLE other LOGIN PASSWORD 'x'"],
        "redis": ["ACL SETUSER other on >x ~* +@all"],
    }[kind.name]
    as_agent(one, kind, *made)
    plan = one.plan(declared(kind, databases=databases(kind, "store"), users=[user(kind)]))
    assert plan.actions == []
    assert len(plan.notes) == len(made)
    assert all("not managed by gitrove; left alone" in note.text for note in plan.notes)


def test_a_configuration_the_server_refuses_is_taken_back(kind: Kind, one: LocalWorld) -> None:
    base = {"databases": databases(kind, "store"), "users": [user(kind)]}
    live, first, second = kind.live
    one.converge(declared(kind, values={live: first}, **base))
    bad = {
        "mariadb": {"innodb_page_size": 8192},
        "postgresql": {"huge_pages": "on"},
        "redis": {"save": "never"},
    }[kind.name]
    outcome = one.apply(declared(kind, values={live: second, **bad}, **base))
    assert not outcome.succeeded
    fault = outcome.failed[0]
    assert "the previous configuration is back" in fault.message
    assert in_effect(one, kind, live) in (first, second)
    assert one.report("one").configuration.file.get(next(iter(bad))) is None
    assert one.report("one").status == "running"
    host, name, password = login(one, kind)
    query = "PING" if kind.name == "redis" else "SELECT 1"
    assert kind.ask(host, name, password, query, *(["store"] if kind.databases else []))
    recorded = one.journal.faults("shop/one")[0]
    assert recorded.message == fault.message and recorded.details


def test_a_user_is_renamed_where_the_server_can(one: LocalWorld, kind: Kind) -> None:
    renamed = user(kind, "web", formerName="app")
    if kind.name == "redis":
        with pytest.raises(SpecProblems, match="Redis cannot rename a user"):
            declared(kind, users=[renamed])
        return
    desired = declared(kind, databases=databases(kind, "store"), users=[renamed])
    only(one.plan(desired), "RenameUser")
    assert one.converge(desired).actions == []
    assert [each.name for each in one.report("one").users] == ["web"]


def test_nothing_is_left_of_a_deleted_instance(kind: Kind, one: LocalWorld) -> None:
    pids = [one.process("one").pid, one.process("one", "agent").pid]
    folder = one.folder / "cloud"
    assert one.converge(desire("")).actions == []
    for kept in ("servers", "volumes", "ports"):
        assert list((folder / kept).iterdir()) == []
    assert not any(Path(f"/proc/{pid}/cmdline").exists() and _alive(pid) for pid in pids)


def _alive(pid: int) -> bool:
    return Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z"
