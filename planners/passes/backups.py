"""Backups: taken when declared, deleted when no longer so; all others are left alone."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import NamedTuple

import msgspec

from guest_agent.contract import backup as words
from planners.backups import NoChain, chain, children, newest
from planners.case import Answer, Case, Draft
from planners.identity import backup_id
from planners.observed import StoredBackup
from planners.plan import Change, Impact, Obstacle, Verb
from planners.steps import DeleteBackup, TakeBackup, TakeFinalBackup
from specs.desired import Address
from specs.models import Backup

DECLARED = "declared"
FINAL = "final"


def take(case: Case, wished: Mapping[str, Backup], stored: Collection[StoredBackup]) -> Answer:
    """Drafts for the *wished* backups of one running instance that are not complete."""
    there = {each.name: each for each in stored if each.project == case.address.project}
    for name, backup in sorted(wished.items()):
        found = there.get(name)
        if found is not None and (found.complete or found.origin != DECLARED):
            continue
        reason = "declared and not taken yet"
        if found is not None:
            reason = f"the last attempt failed: {found.fault or 'it was interrupted'}"
        storage = backup.spec.storage or ""
        parent = newest(stored, case.id, storage) if backup.spec.incremental else None
        if backup.spec.incremental and parent is None:
            text = f"the backup {name} is incremental, and there is none that it could follow"
            yield Obstacle(address=str(case.address), text=text)
            continue
        target = Target(case.address, case.id, case.offer.definition.name, storage)
        yield draft(target, name, parent, DECLARED, reason)


def by_schedule(name: str) -> str:
    """What a backup says of the schedule that took it."""
    return f"schedule {name}"


class Target(NamedTuple):
    """What is backed up, and where to; ``instance`` is the managed id."""

    address: Address
    instance: str
    datastore: str
    storage: str = ""


def draft(
    target: Target, name: str, parent: StoredBackup | None, origin: str, reason: str
) -> Draft:
    """Take the backup *name*, in full or after *parent*."""
    project, instance_name = target.address
    step = TakeBackup(
        instance=target.instance,
        backup=backup_id(project, target.instance, name),
        project=project,
        instance_name=instance_name,
        datastore=target.datastore,
        name=name,
        parent=parent.id if parent else "",
        origin=origin,
        storage=target.storage,
    )
    changes = [Change(field="kind", after=words.INCREMENTAL if parent else words.FULL)]
    if parent:
        changes.append(Change(field="after", after=parent.name))
    if target.storage:
        changes.append(Change(field="storage", after=target.storage))
    return Draft(f"backup {name}", Verb.CREATE, step, reason, changes=changes)


def final(target: Target, stored: Collection[StoredBackup], reason: str) -> Draft:
    """The backup that is taken before an instance is deleted."""
    mine = [b for b in stored if b.instance == target.instance and b.origin == FINAL]
    number = sum(b.complete for b in mine) + 1
    name = f"final-{target.address.name}-{target.instance[:8]}-{number}"
    wanted = draft(target, name, None, FINAL, f"{reason}; its last state is kept")
    assert isinstance(wanted.step, TakeBackup)
    step = TakeFinalBackup(**msgspec.structs.asdict(wanted.step))
    return replace(wanted, step=step)


def delete(
    address: Address, wished: Mapping[str, Backup], stored: Collection[StoredBackup]
) -> Answer:
    """Drafts for the backups of an instance that were declared and no longer are."""
    ours = [b for b in stored if (b.project, b.instance_name) == address]
    gone = [b for b in ours if b.origin == DECLARED and b.name not in wished]
    ids = {each.id for each in gone}
    for backup in sorted(gone, key=lambda each: -each.began):
        if kept := [each.name for each in children(backup, stored) if each.id not in ids]:
            text = f"the backup {backup.name} is needed by {', '.join(sorted(kept))}"
            yield Obstacle(address=str(address), text=text)
            continue
        yield deletion(backup, "no longer declared")


def deletion(backup: StoredBackup, reason: str) -> Draft:
    step = DeleteBackup(
        instance=backup.instance,
        backup=backup.id,
        project=backup.project,
        instance_name=backup.instance_name,
        datastore=backup.datastore,
        storage=backup.storage,
    )
    return Draft(f"backup {backup.name}", Verb.DELETE, step, reason, Impact.DATA_LOSS)


def restored(case: Case) -> list[StoredBackup] | Obstacle:
    """The backups that a new instance is made from, the full one first."""
    wish = case.wanted.spec.restore_from
    assert wish is not None
    mine = [b for b in case.world.observed.backups if b.project == case.address.project]
    if wish.backup is not None:
        chosen = next((each for each in mine if each.name == wish.backup), None)
        if chosen is None:
            known = ", ".join(sorted(each.name for each in mine if each.complete)) or "none"
            return _refusal(case, f'there is no backup "{wish.backup}"; there is {known}')
    elif wish.until:
        before = _before(case, mine, str(wish.instance), wish.until)
        if isinstance(before, Obstacle):
            return before
        chosen = before
    else:
        complete = [b for b in mine if b.instance_name == wish.instance and b.complete]
        by = f" by the schedule {wish.schedule}" if wish.schedule else ""
        if wish.schedule:
            complete = [b for b in complete if b.origin == by_schedule(wish.schedule)]
        chosen = max(complete, key=lambda each: each.finished, default=None)
        if chosen is None:
            return _refusal(case, f"there is no complete backup of {wish.instance}{by}")
    definition, version = case.offer.definition, case.offer.version
    if chosen.datastore != definition.name:
        return _refusal(case, f"{chosen.name} is a backup of {chosen.datastore}")
    if not (chosen.version + ".").startswith(version + "."):
        text = f"{chosen.name} is of {chosen.datastore} {chosen.version}, not {version}"
        return _refusal(case, text)
    try:
        return chain(chosen, mine)
    except NoChain as error:
        return _refusal(case, f"it cannot be restored: {error}")


def _before(
    case: Case, stored: list[StoredBackup], instance: str, until: float
) -> StoredBackup | Obstacle:
    """The newest backup from which the archive leads to the time *until*."""
    archives = [
        a
        for a in case.world.observed.archives
        if (a.project, a.instance_name) == (case.address.project, instance) and a.since <= until
    ]
    if not archives:
        return _refusal(case, f"the log of {instance} was not archived at {utc(until)}")
    archive = max(archives, key=lambda each: each.since)
    if archive.until < until:
        text = f"the archive of {instance} ends at {utc(archive.until)}, before {utc(until)}"
        return _refusal(case, text)
    usable = [
        b
        for b in stored
        if b.instance == archive.instance
        and b.storage == archive.storage
        and b.complete
        and archive.since <= b.finished <= until
    ]
    if not usable:
        text = f"no backup of {instance} between {utc(archive.since)} and {utc(until)}"
        return _refusal(case, text)
    return max(usable, key=lambda each: each.finished)


def utc(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def _refusal(case: Case, text: str) -> Obstacle:
    return Obstacle(address=str(case.address), text=f"restoreFrom: {text}")
