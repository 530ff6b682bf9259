"""``trove.instance.*`` and ``trove.quota``: what there is, and what became of it, for who counts.

mitaka-ceilometer-integration names the traits. Changes are told by comparing
what was seen last with what is seen now, so none is missed while nobody looked.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from planners import observed as seen
from planners.case import Found
from planners.observed import CloudState
from reconciler.moments import utc
from reconciler.notifications.events import Event
from specs.desired import Address
from specs.models import Quota

Facts = dict[str, Any]
"""What is counted of one instance; empty for one that is not there, or not whole."""


def facts(found: Found, state: CloudState) -> Facts:
    """What there is of an instance; *state* knows how large flavors are."""
    server, volume = found.server, found.volume
    if server is None or volume is None:
        return {}
    ram = next((each.ram for each in state.flavors if each.name == server.flavor), 0)
    return {
        "instance_id": found.id,
        "instance_type": server.flavor,
        "instance_type_id": server.flavor,
        "instance_size": ram,
        "nova_instance_id": server.id,
        "availability_zone": server.zone,
        "region": server.region or state.region,
        "service_id": server.metadata.get(seen.DATASTORE, ""),
        "volume_size": sum(each.size for each in found.volumes),
        "nova_volume_id": volume.id,
    }


def changes(
    address: Address, before: Facts, after: Facts, state: str, now: float, actor: str
) -> Iterator[Event]:
    """What is to be told when *before* became *after*. *state* is the instance's health."""
    if not before and not after:
        return
    current = after or before
    common = _base(address, current, state, before.get("created_at") or utc(now), actor)
    common |= {
        "name": address.name,
        "availability_zone": current["availability_zone"],
        "instance_size": current["instance_size"],
        "volume_size": current["volume_size"],
        "nova_volume_id": current["nova_volume_id"],
        "cluster_id": "",
    }
    if not before:
        yield Event("trove.instance.create", str(address), common)
    elif not after:
        yield Event("trove.instance.delete", str(address), common | {"deleted_at": utc(now)})
    else:
        told = common | {"modify_at": utc(now)}
        if before["volume_size"] != after["volume_size"]:
            old = {"old_volume_size": before["volume_size"]}
            yield Event("trove.instance.modify_volume", str(address), told | old)
        if before["instance_type"] != after["instance_type"]:
            old = {"old_instance_size": before["instance_size"]}
            yield Event("trove.instance.modify_flavor", str(address), told | old)


def exists(address: Address, known: Facts, state: str, since: float, until: float) -> Event:
    """That an instance was there in an audit period, in seconds since the epoch."""
    told = _base(address, known, state, known.get("created_at", ""), "gitrove")
    told |= {
        "display_name": address.name,
        "audit_period_beginning": utc(since),
        "audit_period_ending": utc(until),
    }
    return Event("trove.instance.exists", str(address), told)


def quota(
    project: str, limits: Quota | None, used: Mapping[str, int], now: float
) -> Iterator[Event]:
    """How much of each resource a project uses; a limit of -1 is none."""
    for resource, amount in used.items():
        limit = getattr(limits.spec, resource) if limits else None
        told = {
            "tenant_id": project,
            "resource": resource,
            "in_use": amount,
            "reserved": 0,
            "limit": -1 if limit is None else limit,
            "updated": utc(now),
        }
        yield Event("trove.quota", project, told)


def _base(address: Address, known: Facts, state: str, created: str, actor: str) -> dict[str, Any]:
    names = ("instance_type", "instance_type_id", "instance_id", "nova_instance_id", "region")
    return {name: known[name] for name in (*names, "service_id")} | {
        "tenant_id": address.project,
        "user_id": actor,
        "instance_name": address.name,
        "state": state,
        "state_description": state,
        "created_at": created,
        "launched_at": created,
    }
