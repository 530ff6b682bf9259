"""What another repository made is left alone."""

from __future__ import annotations

from planners.case import NOTHING
from planners.passes.foreign import foreign
from specs.desired import Address
from tests.support.cases import found, summary

ONE = Address("shop", "one")


def test_what_this_repository_made_is_its_own() -> None:
    assert summary(foreign(ONE, found(repository="here"), "here", declared=True)) == []
    assert summary(foreign(ONE, found(), "", declared=True)) == []
    assert summary(foreign(ONE, NOTHING, "here", declared=True)) == []


def test_what_another_made_is_an_obstacle_where_it_is_declared() -> None:
    (text,) = summary(foreign(ONE, found(repository="there"), "here", declared=True))
    assert text.startswith('obstacle: it exists already and belongs to the repository "there"')


def test_what_another_made_is_noted_where_it_is_not_declared() -> None:
    (text,) = summary(foreign(ONE, found(), "here", declared=False))
    assert text == "note: it belongs to a repository without a name; left alone"
