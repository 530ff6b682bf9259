"""Each of several controllers tells of its own projects, and of nobody else's."""

from __future__ import annotations

from planners.observed import CloudState, Observed
from reconciler.health import Health
from reconciler.journal.resources import Resource
from reconciler.loop.accounts import changed, declared, inventory
from tests.support.worlds import desire

GROUP = """
apiVersion: gitrove/v1
kind: ConfigurationGroup
metadata: {name: tuned, project: %s}
spec: {datastore: {name: redis}, values: {maxmemory-policy: allkeys-lru}}
---
"""
FACTS = {
    "instance_id": "i",
    "instance_type": "tiny",
    "instance_type_id": "tiny",
    "instance_size": 256,
    "nova_instance_id": "s",
    "availability_zone": "az1",
    "region": "",
    "service_id": "redis",
    "volume_size": 1,
    "nova_volume_id": "v",
    "created_at": "2026-11-24 00:00:00",
}


def in_shop(project: str) -> bool:
    return project == "shop"


def resource(address: str, **facts: object) -> Resource:
    return Resource("here", address, health=Health.HEALTHY, facts=facts)


def test_a_commit_is_told_of_by_the_one_whose_project_it_is_in() -> None:
    after = desire(GROUP % "shop" + GROUP % "lab")
    told = list(declared(desire(""), after, "alice", in_shop))
    assert [event.subject for event in told] == ["shop/tuned", "shop/tuned"]
    assert {event.payload["actor"] for event in told} == {"alice"}


def test_what_there_is_is_told_of_by_the_one_whose_it_is() -> None:
    known = {a: resource(a, **FACTS) for a in ("shop/one", "lab/two")}
    known["shop/missing"] = resource("shop/missing")
    observed = Observed(cloud=CloudState())
    told = list(inventory(known, desire(""), observed, in_shop, 0.0, 60.0))
    assert [(e.type, e.subject) for e in told] == [("trove.instance.exists", "shop/one")]


def test_what_comes_and_goes_is_told_of_once() -> None:
    there, nothing = resource("shop/one", **FACTS), resource("shop/one")

    def types(before: Resource | None, after: Resource | None) -> list[str]:
        return [event.type for event in changed(before, after, 60.0, "alice")]

    assert types(None, nothing) == types(there, there) == []
    assert types(nothing, there) == ["trove.instance.create"]
    assert types(there, None) == ["trove.instance.delete"]
