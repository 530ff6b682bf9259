"""The administrator's login is on or off as declared, and meddling with it is repaired."""

from __future__ import annotations

from guest_agent.contract.report import Root
from planners.passes.root import root
from planners.plan import Verb
from planners.steps import DisableRoot, EnableRoot
from tests.support.cases import case, only, spec, summary

ON = Root(enabled=True, ever_enabled=True, fingerprint="root#1")
WISHED = spec(root={"enabled": True})


def test_as_declared() -> None:
    assert summary(root(case(spec()), Root())) == []
    assert summary(root(case(WISHED), ON)) == []


def test_enabled_and_disabled_as_declared() -> None:
    enable, disable = only(root(case(WISHED), Root())), only(root(case(spec()), ON))
    assert enable.verb is Verb.UPDATE and isinstance(enable.step, EnableRoot)
    assert disable.verb is Verb.UPDATE and isinstance(disable.step, DisableRoot)


def test_what_somebody_did_on_the_server_is_repaired() -> None:
    by_hand = only(root(case(spec()), Root(enabled=True)))
    assert by_hand.verb is Verb.REPAIR and "somebody enabled it" in by_hand.reason
    gone = only(root(case(WISHED), Root(ever_enabled=True, fingerprint="root#1")))
    assert gone.verb is Verb.REPAIR and "somebody disabled it" in gone.reason
    drifted = Root(enabled=True, fingerprint="root#1", password_drifted=True)
    assert only(root(case(WISHED), drifted)).verb is Verb.REPAIR


def test_a_rotated_password_is_an_update() -> None:
    rotated = spec(root={"enabled": True, "password": {"rotation": 2}})
    assert only(root(case(rotated), ON)).verb is Verb.UPDATE
