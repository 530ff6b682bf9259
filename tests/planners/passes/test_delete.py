"""An instance that is no longer declared goes with everything of it, unless it is protected."""

from __future__ import annotations

from planners.case import Draft
from planners.observed import ROOT, StoredBackup
from planners.passes.delete import delete
from planners.plan import Impact
from planners.steps import Stage, TakeFinalBackup
from specs.desired import Address
from tests.support.cases import ID, found, report, summary

ONE = Address("shop", "one")


def test_server_volume_and_port_go_and_the_loss_is_said() -> None:
    drafts = list(delete(ONE, found(), report(), [], "no longer declared"))
    assert summary(iter(drafts)) == ["delete server", "delete volume", "delete port"]
    impacts = [each.impact for each in drafts if isinstance(each, Draft)]
    assert impacts == [Impact.DOWNTIME, Impact.DATA_LOSS, Impact.NONE]


def test_a_root_disk_has_no_data_to_lose() -> None:
    drafts = list(delete(ONE, found(volume={"kind": ROOT}), report(), [], "no longer declared"))
    impacts = [each.impact for each in drafts if isinstance(each, Draft)]
    assert impacts == [Impact.DOWNTIME, Impact.NONE, Impact.NONE]


def test_a_protected_instance_stays_whole() -> None:
    (obstacle,) = summary(delete(ONE, found(protected="true"), report(), [], "no longer declared"))
    assert obstacle.startswith("obstacle: it is protected")


MARKED = {"final-backup": "true"}


def stored(finished: float) -> StoredBackup:
    return StoredBackup(
        id="b",
        name="final",
        project="shop",
        instance_name="one",
        instance=ID,
        origin="final",
        finished=finished,
    )


def test_a_final_backup_comes_before_anything_is_deleted() -> None:
    first, *rest = delete(ONE, found(**MARKED), report(), [], "no longer declared")
    assert isinstance(first, Draft) and isinstance(first.step, TakeFinalBackup)
    assert first.item == "backup final-one-11111111-1"
    assert first.step.STAGE < Stage.TEAR_DOWN_SERVER and len(rest) == 3


def test_an_interrupted_final_backup_is_taken_again_and_a_complete_one_is_kept() -> None:
    names = [
        next(iter(delete(ONE, found(**MARKED), report(), [each], "gone"))).item  # type: ignore[union-attr]
        for each in (stored(0.0), stored(5.0))
    ]
    assert names == ["backup final-one-11111111-1", "backup final-one-11111111-2"]


def test_nothing_is_deleted_while_the_final_backup_cannot_be_taken() -> None:
    for told in (None, report(status="stopped")):
        (obstacle,) = summary(delete(ONE, found(**MARKED), told, [], "no longer declared"))
        assert obstacle.startswith("obstacle: its final backup cannot be taken")
