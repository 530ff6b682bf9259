"""The continuous archive of an instance's log is on or off as declared."""

from __future__ import annotations

from guest_agent.contract.report import Archive
from planners.backups import newest
from planners.case import Answer, Case, Draft
from planners.observed import DEFAULT_STORAGE
from planners.plan import Change, Note, Verb
from planners.steps import DisableArchive, EnableArchive

INTERVAL = 15.0
"""Seconds of what is committed that can be lost with everything but the storage."""


def archive(case: Case, present: Archive) -> Answer:
    """A draft to switch the archive on or off; a note where it does not go on, or has no begin."""
    wished, address = case.wanted.spec.point_in_time_recovery, str(case.address)
    if wished != present.enabled:
        yield _switch(case, wished)
    elif wished and present.renew:
        yield Draft("archive", Verb.UPDATE, _enable(case), "its access to the storage ends soon")
    elif wished and present.fault:
        yield Note(address=address, text=f"the log is not archived: {present.fault}")
    elif wished:
        backup = newest(case.world.observed.backups, case.id, DEFAULT_STORAGE)
        if backup is None or backup.finished < present.since:
            text = "can be restored to a point in time once there is a full backup"
            yield Note(address=address, text=text)


def _switch(case: Case, on: bool) -> Draft:
    change = Change(field="pointInTimeRecovery", before=_word(not on), after=_word(on))
    if not on:
        step = DisableArchive(instance=case.id)
        return Draft("archive", Verb.UPDATE, step, "no longer declared", changes=[change])
    return Draft("archive", Verb.UPDATE, _enable(case), "declared", changes=[change])


def _enable(case: Case) -> EnableArchive:
    return EnableArchive(
        instance=case.id,
        project=case.address.project,
        instance_name=case.address.name,
        datastore=case.offer.definition.name,
        interval=INTERVAL,
    )


def _word(value: bool) -> str:
    return "true" if value else "false"
