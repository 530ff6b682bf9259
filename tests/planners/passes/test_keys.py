"""A guest gets a new key when its rotation changes, and only while it answers."""

from __future__ import annotations

from planners.passes.keys import key_rotation
from planners.steps import RotateKey
from tests.support.cases import case, found, only, report, spec

SECOND = spec(guestKey={"rotation": 2})


def test_another_rotation_is_another_key() -> None:
    step = only(key_rotation(case(SECOND, found(), report()))).step
    assert isinstance(step, RotateKey) and step.rotation == 2
    back = case(spec(), found(**{"key-rotation": "2"}), report())
    assert only(key_rotation(back)).changes[0].after == "1"


def test_the_same_rotation_and_a_silent_guest_are_left_alone() -> None:
    assert list(key_rotation(case(SECOND, found(**{"key-rotation": "2"}), report()))) == []
    assert list(key_rotation(case(SECOND, found()))) == []
