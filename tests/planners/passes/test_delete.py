"""An instance that is no longer declared goes with everything of it, unless it is protected."""

from __future__ import annotations

from planners.case import Draft
from planners.passes.delete import delete
from planners.plan import Impact
from specs.desired import Address
from tests.support.cases import found, summary

ONE = Address("shop", "one")


def test_server_volume_and_port_go_and_the_loss_is_said() -> None:
    drafts = list(delete(ONE, found(), "no longer declared"))
    assert summary(iter(drafts)) == ["delete server", "delete volume", "delete port"]
    impacts = [each.impact for each in drafts if isinstance(each, Draft)]
    assert impacts == [Impact.DOWNTIME, Impact.DATA_LOSS, Impact.NONE]


def test_a_protected_instance_stays_whole() -> None:
    (obstacle,) = summary(delete(ONE, found(protected="true"), "no longer declared"))
    assert obstacle.startswith("obstacle: it is protected")
