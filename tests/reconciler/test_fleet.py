"""What is shown of an instance, and to whom."""

from __future__ import annotations

from planners.case import NOTHING
from planners.observed import Observed
from reconciler.fleet import details
from reconciler.journal.journal import Fault
from specs.desired import Address

ONE = Address("shop", "one")
FAULT = Fault(1_795_000_000.0, "database server", "it did not start", "line 7: no memory", "run1")


def test_a_fault_shows_message_and_time_and_its_details_to_administrators() -> None:
    for admin in (False, True):
        (shown,) = details(ONE, NOTHING, Observed(), [FAULT], admin)["faults"]
        assert shown["message"] == "it did not start"
        assert shown["created"] == "2026-11-18 11:06:40"
        assert (shown.get("details") == FAULT.details) is admin
