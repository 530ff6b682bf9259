"""When a schedule's backups are due, of which instances, and whether each is full."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from planners.backups import newest
from planners.case import Draft
from planners.observed import Observed, StoredBackup
from planners.passes.backups import Target, by_schedule, draft
from specs.cron import times
from specs.desired import Address, Desired
from specs.models import BackupSchedule

_HOUR = timedelta(hours=1)
_LOOK_BACK = (_HOUR, 24 * _HOUR, 35 * 24 * _HOUR, 400 * 24 * _HOUR)


@dataclass(frozen=True, slots=True)
class Due:
    """One backup that a schedule wants, for the time ``at`` (seconds since the epoch)."""

    schedule: Address
    instance: Address
    at: float


def targets(address: Address, schedule: BackupSchedule, desired: Desired) -> list[Address]:
    """The declared instances that the schedule is for."""
    wished = schedule.spec.targets
    return [
        each
        for each, instance in sorted(desired.instances.items())
        if each.project == address.project
        and (
            each.name in wished.instances
            or (wished.labels and wished.labels.items() <= instance.metadata.labels.items())
        )
    ]


def next_time(schedule: BackupSchedule, after: float) -> float | None:
    """The first time of the schedule after *after*."""
    moment = datetime.fromtimestamp(after, UTC)
    found = next(times(schedule.spec.cron, schedule.spec.time_zone, moment), None)
    return found.timestamp() if found else None


def latest_time(schedule: BackupSchedule, after: float, now: float) -> float | None:
    """The last time of the schedule after *after* that has come, however many were missed."""
    end = datetime.fromtimestamp(now, UTC)
    for span in _LOOK_BACK:
        begin = max(datetime.fromtimestamp(after, UTC), end - span)
        if begin >= end:
            return None
        latest = None
        for each in times(schedule.spec.cron, schedule.spec.time_zone, begin):
            if each > end:
                break
            latest = each
        if latest or begin.timestamp() <= after:
            return latest.timestamp() if latest else None
    return None


def due(desired: Desired, last: Mapping[tuple[str, str], float], now: float) -> Iterator[Due]:
    """What is to be taken now. *last* has the time that was served last, or of registration.

    The key of *last* is schedule and instance; one that is not in it is new, and
    is due for the first time at the first time after it was registered. Times
    missed while nobody looked are made up for once.
    """
    for address, schedule in sorted(desired.schedules.items()):
        if not schedule.spec.enabled:
            continue
        for instance in targets(address, schedule, desired):
            since = last.get((str(address), str(instance)))
            if since is None:
                continue
            delay = _delay(schedule.spec.jitter, address, instance)
            if (at := latest_time(schedule, since, now - delay)) is not None:
                yield Due(address, instance, at)


def _delay(jitter: int, schedule: Address, instance: Address) -> float:
    """The same share of *jitter* every time, so that the time between backups stays the same."""
    digest = hashlib.sha256(f"{schedule} {instance}".encode()).digest()
    return jitter * int.from_bytes(digest[:4], "big") / 2**32


def new(desired: Desired, last: Mapping[tuple[str, str], float]) -> Iterator[tuple[str, str]]:
    """The schedules and instances that nobody has registered yet."""
    for address, schedule in sorted(desired.schedules.items()):
        for instance in targets(address, schedule, desired):
            if (str(address), str(instance)) not in last:
                yield str(address), str(instance)


def backup(wanted: Due, instance: str, desired: Desired, observed: Observed) -> Draft:
    """The backup of the instance with the managed id *instance*: full, or after the newest."""
    schedule = desired.schedules[wanted.schedule]
    offer = desired.offers[wanted.instance]
    storage = schedule.spec.storage or ""
    mine = [
        b
        for b in observed.backups
        if b.instance == instance and b.complete and b.storage == storage
    ]
    parent = newest(mine, instance)
    if (
        not offer.definition.can("incrementalBackup")
        or _since_full(mine) >= schedule.spec.full_every
    ):
        parent = None
    when = datetime.fromtimestamp(wanted.at, UTC)
    name = f"{wanted.schedule.name}-{wanted.instance.name}-{when:%Y%m%d-%H%M%S}"
    reason = f"{by_schedule(wanted.schedule.name)}, for {when:%Y-%m-%d %H:%M} UTC"
    target = Target(wanted.instance, instance, offer.definition.name, storage)
    return draft(target, name, parent, by_schedule(wanted.schedule.name), reason)


def _since_full(complete: Iterable[StoredBackup]) -> int:
    """How many backups there are from the newest full one on."""
    count = 0
    for each in sorted(complete, key=lambda b: -b.finished):
        count += 1
        if not each.parent:
            break
    return count
