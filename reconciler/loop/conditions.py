"""What becomes of a resource's record when it was looked at, planned for, or tried to change."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import msgspec

from guest_agent.contract.report import Report
from planners.case import Found
from planners.observed import CloudState
from reconciler.health import Health, assess
from reconciler.journal.resources import Resource
from reconciler.moments import utc
from reconciler.notifications.billing import facts
from specs.desired import Address, Desired

NOT_DECLARED = "-"
"""Stands for the wish of what is not declared."""
_FIRST_PAUSE = 10.0
_LONGEST_PAUSE = 1800.0


def wish(address: Address, desired: Desired) -> str:
    """A digest of everything that is declared of an instance."""
    instance = desired.instances[address]
    group = Address(address.project, instance.spec.configuration or "")
    declared = (
        instance.model_dump_json(exclude={"spec": {"reconcile"}}),
        desired.offers[address].version,
        desired.offers[address].image,
        {kind: each.model_dump_json() for kind, each in desired.volumes[address].items()},
        desired.parameters.get(group, {}),
        sorted(n for n, b in desired.backups.items() if b.spec.instance == address.name),
    )
    return hashlib.sha256(msgspec.json.encode(declared)).hexdigest()


def seen(before: Resource, found: Found, report: Report | None, suspended: str) -> Resource:
    """After a look: its health by itself."""
    health, reason = (Health.SUSPENDED, suspended) if suspended else assess(found, report)
    return replace(before, health=health, reason=reason, pending=0, waits="")


def counted(now: Resource, found: Found, state: CloudState, at: float) -> Resource:
    """With the facts of what there is; an instance counts from when its database is there."""
    if not found.anything:
        return replace(now, facts={})
    fresh = facts(found, state)
    if not fresh or (not now.facts and now.health is not Health.HEALTHY):
        return now
    return replace(now, facts=fresh | {"created_at": now.facts.get("created_at", utc(at))})


def settled(now: Resource, digest: str) -> Resource:
    """When nothing is left to do for what *digest* stands for."""
    return replace(now, applied=digest, fault="", failures=0, retry_at=0.0)


def obstructed(now: Resource, text: str) -> Resource:
    """When a person has to decide: an obstacle, or a rule that forbids it."""
    if now.health is Health.SUSPENDED:
        return now
    return replace(now, health=Health.DEGRADED, reason=text)


def waiting(now: Resource, pending: int, why: str) -> Resource:
    return replace(now, pending=pending, waits=why)


def progressing(now: Resource, item: str) -> Resource:
    return replace(now, health=Health.PROGRESSING, reason=item)


def failed(now: Resource, text: str, at: float) -> Resource:
    """After a failure: each further one in a row is tried again after twice the time."""
    pause = min(_FIRST_PAUSE * 2**now.failures, _LONGEST_PAUSE)
    return replace(
        now,
        health=Health.DEGRADED,
        reason=text,
        fault=text,
        failures=now.failures + 1,
        retry_at=at + pause,
    )


def resting(now: Resource) -> str:
    """Why what failed is not tried again yet."""
    times = "once" if now.failures == 1 else f"{now.failures} times"
    return f"it failed {times}, and is tried again at {utc(now.retry_at)}: {now.fault}"


def dated(now: Resource, before: Resource | None, at: float) -> Resource:
    """With ``since`` from when its health is what it is."""
    same = before is not None and before.health is now.health
    return replace(now, since=before.since if same and before else at)
