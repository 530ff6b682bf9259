"""Who reaches an instance: its group is as declared, and its address never changes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgspec
import pytest

from planners.case import Case
from planners.observed import CloudState, FloatingAddress, Group
from planners.passes.access import access, floating_address
from planners.plan import Verb
from planners.steps import AllowAccess, CreatePort, DeleteGroup
from specs.problems import SpecProblems
from tests.support.cases import CLOUD, METADATA, case, found, only, spec, summary
from tests.support.worlds import SimulatedWorld, desire


def wished(**fields: Any) -> dict[str, Any]:
    return spec(access=fields)


def guarded(**fields: Any) -> Any:
    known: dict[str, Any] = {
        "id": "g",
        "name": "one",
        "cidrs": ["10.0.0.0/8"],
        "database": 3306,
        "port": "p",
        "metadata": METADATA,
    }
    return found()._replace(groups=[Group(**(known | fields))])


def test_without_a_word_about_it_the_clouds_own_groups_decide() -> None:
    assert list(access(case(spec(), found()))) == []


def test_a_declared_group_is_made_and_then_left_alone() -> None:
    draft = only(access(case(wished(allowedCidrs=["10.0.0.0/8"]), found())))
    assert isinstance(draft.step, AllowAccess) and draft.verb is Verb.CREATE
    assert (draft.step.database, draft.step.cidrs) == (3306, ["10.0.0.0/8"])
    assert list(access(case(wished(allowedCidrs=["10.0.0.0/8"]), guarded()))) == []


@pytest.mark.parametrize(
    "drifted", [{"cidrs": ["0.0.0.0/0"]}, {"database": 0}, {"port": ""}], ids=str
)
def test_whatever_a_person_changed_is_set_right(drifted: dict[str, Any]) -> None:
    draft = only(access(case(wished(allowedCidrs=["10.0.0.0/8"]), guarded(**drifted))))
    assert isinstance(draft.step, AllowAccess) and draft.verb is Verb.UPDATE


def test_nobody_is_a_wish_too_and_no_wish_takes_the_group_away() -> None:
    draft = only(access(case(wished(allowedCidrs=[]), guarded())))
    assert isinstance(draft.step, AllowAccess) and draft.step.cidrs == []
    assert draft.changes[0].after == "nobody"
    gone = only(access(case(spec(), guarded())))
    assert isinstance(gone.step, DeleteGroup) and gone.step.group == "g"


def test_the_address_of_what_exists_cannot_change() -> None:
    text = summary(access(case(wished(address="127.0.0.10"), found())))
    assert "its address is 127.0.0.9 and cannot become 127.0.0.10" in str(text)
    assert list(access(case(wished(address="127.0.0.9"), found()))) == []


def test_a_cloud_that_does_not_filter_says_so() -> None:
    world = SimulatedWorld.create()
    text = document('{allowedCidrs: ["10.0.0.0/8"]}')
    observe = world.cloud.observe
    world.cloud.observe = lambda: CloudState(  # type: ignore[method-assign]
        **{name: getattr(observe(), name) for name in CloudState.__struct_fields__}
        | {"filters": False}
    )
    (note,) = world.plan(desire(text)).notes
    assert "allowedCidrs has no effect" in note.text


def document(fields: str) -> str:
    return f"""
apiVersion: gitrove/v1
kind: Instance
metadata: {{name: one}}
spec: {{datastore: {{name: mariadb}}, flavor: tiny, volume: {{size: 1}}, access: {fields}}}
"""


def test_the_group_comes_before_the_port_and_goes_after_it() -> None:
    world = SimulatedWorld.create()
    wanted = desire(document('{allowedCidrs: ["10.0.0.0/8"], address: 127.9.9.9}'))
    plan = world.plan(wanted)
    group = next(a for a in plan.actions if isinstance(a.step, AllowAccess))
    port = next(a for a in plan.actions if isinstance(a.step, CreatePort))
    assert group.id in port.after
    assert world.converge(wanted).actions == []
    assert world.cloud.state.ports[f"port-{group.step.instance}"].address == "127.9.9.9"
    assert world.converge(desire("")).actions == []
    assert world.cloud.state.groups == {}


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ("{allowedCidrs: [10.0.0.1/8]}", "is not a network such as 10.0.0.0/8"),
        ("{allowedCidrs: [everyone]}", '"everyone" is not a network'),
        ("{address: nowhere}", '"nowhere" is not an IP address'),
    ],
)
def test_what_is_no_network_is_told_where_it_stands(fields: str, told: str) -> None:
    with pytest.raises(SpecProblems) as found:
        desire(document(fields))
    (problem,) = found.value.problems
    assert told in problem.headline() and ":5:" in problem.headline()


def floating_world(declared: str | None, **address: Any) -> Case:
    fields = {"floatingNetwork": declared} if declared else {}
    there = [FloatingAddress(**({"id": "f", "name": "one", "port": "p"} | address))]
    pieces = found()._replace(floating=there if address else [])
    made = case(spec(access=fields), pieces)
    cloud = msgspec.structs.replace(CLOUD, external_networks=["public"])
    observed = msgspec.structs.replace(made.world.observed, cloud=cloud)
    return replace(made, world=replace(made.world, observed=observed))


def test_a_floating_address_comes_goes_and_follows_its_port() -> None:
    there = {"network": "public", "address": "203.0.113.7"}
    assert summary(floating_address(floating_world("public"))) == ["create floating address"]
    assert summary(floating_address(floating_world("public", **there))) == []
    assert summary(floating_address(floating_world(None, **there))) == [
        "delete floating address 203.0.113.7"
    ]
    assert summary(floating_address(floating_world("public", **there, port="other"))) == [
        "delete floating address 203.0.113.7",
        "create floating address",
    ]


def test_a_network_that_is_not_there_stops_the_plan() -> None:
    (told,) = summary(floating_address(floating_world("outer")))
    assert told == 'obstacle: the cloud has no external network "outer"; it has public'
