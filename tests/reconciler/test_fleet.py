"""What is shown of an instance, and to whom."""

from __future__ import annotations

from guest_agent.contract.report import Archive
from planners.case import NOTHING
from planners.observed import Observed
from reconciler.fleet import details
from reconciler.journal.journal import Fault
from specs.desired import Address
from tests.support.cases import ID, found, report

ONE = Address("shop", "one")
FAULT = Fault(1_795_000_000.0, "database server", "it did not start", "line 7: no memory", "run1")


def test_a_fault_shows_message_and_time_and_its_details_to_administrators() -> None:
    for admin in (False, True):
        (shown,) = details(ONE, NOTHING, Observed(), [FAULT], admin)["faults"]
        assert shown["message"] == "it did not start"
        assert shown["created"] == "2026-11-18 11:06:40"
        assert (shown.get("details") == FAULT.details) is admin


def test_the_archive_says_from_when_to_when_and_why_it_stopped() -> None:
    archive = Archive(True, 15.0, 1_795_000_000.0, 1_795_000_060.0, "no room")
    pieces = found()
    world = Observed(guests={ID: report(archive=archive)})
    shown = details(ONE, pieces, world, [], admin=False)["archive"]
    assert shown == {
        "since": "2026-11-18 11:06:40",
        "until": "2026-11-18 11:07:40",
        "fault": "no room",
    }
    assert details(ONE, pieces, Observed(guests={ID: report()}), [], False)["archive"] == "off"
