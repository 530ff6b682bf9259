"""Flavors change, volumes grow and never shrink."""

from __future__ import annotations

from planners.passes.resize import marks, resize
from planners.plan import Impact
from planners.steps import ExtendVolume, Mark, ResizeServer
from tests.support.cases import case, found, only, spec, summary


def test_a_larger_volume_is_extended_without_downtime() -> None:
    draft = only(resize(case(spec(volume={"size": 5}), found())))
    assert draft.step == ExtendVolume(instance=draft.step.instance, volume="v", size=5)
    assert draft.impact is Impact.NONE


def test_a_smaller_volume_is_only_noted() -> None:
    (text,) = summary(resize(case(spec(volume={"size": 1}), found())))
    assert text == "note: the volume has 2 GiB, 1 are declared; it never shrinks"


def test_another_flavor_takes_the_server_down_for_a_while() -> None:
    draft = only(resize(case(spec(flavor="small"), found())))
    assert isinstance(draft.step, ResizeServer) and draft.step.flavor == "small"
    assert draft.impact is Impact.DOWNTIME


def test_what_the_cloud_does_not_have_is_refused() -> None:
    wished = spec(flavor="huge", volume={"size": 2, "type": "tape"})
    flavor, kind, _ = summary(resize(case(wished, found())))
    assert flavor == 'obstacle: the cloud has no flavor "huge"; it has small, tiny'
    assert kind == 'obstacle: the cloud has no volume type "tape"; it has standard, fast'


def test_protection_follows_the_declaration() -> None:
    on = only(marks(case(spec(lifecycle={"preventDestroy": True}), found())))
    assert isinstance(on.step, Mark) and on.step.on and on.step.mark == "gitrove:protected"
    off = only(marks(case(spec(), found(protected="true"))))
    assert isinstance(off.step, Mark) and not off.step.on
    assert summary(marks(case(spec(), found()))) == []


def test_a_final_backup_is_marked_while_it_is_declared() -> None:
    draft = only(marks(case(spec(lifecycle={"onDelete": "finalBackup"}), found())))
    assert isinstance(draft.step, Mark) and draft.step.mark == "gitrove:final-backup"
    assert [(c.before, c.after) for c in draft.changes] == [("delete", "finalBackup")]


def test_a_resize_that_waits_is_confirmed() -> None:
    waiting = found(server={"status": "VERIFY_RESIZE"})
    draft = only(resize(case(spec(), waiting)))
    assert isinstance(draft.step, ResizeServer) and draft.step.flavor == "tiny"
    assert draft.impact is Impact.NONE
