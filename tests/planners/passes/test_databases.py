"""Databases are made and dropped as declared; those of others are left alone."""

from __future__ import annotations

from guest_agent.contract.report import Database
from planners.passes.databases import databases
from planners.plan import Impact, Verb
from tests.support.cases import case, only, spec, summary

STORE = Database("store", managed=True, character_set="utf8mb4", collation="utf8mb4_bin")


def test_as_declared() -> None:
    wished = case(spec(databases=[{"name": "store", "characterSet": "UTF8MB4"}]))
    assert summary(databases(wished, [STORE], [])) == []


def test_a_new_one_a_dropped_one_and_a_lost_one() -> None:
    wished = case(spec(databases=[{"name": "new"}, {"name": "lost"}]))
    answer = databases(wished, [STORE], ["database lost"])
    assert summary(answer) == [
        "create database new",
        "repair database lost",
        "delete database store",
    ]


def test_dropping_says_that_data_goes() -> None:
    assert only(databases(case(spec()), [STORE], [])).impact is Impact.DATA_LOSS


def test_another_collation_is_a_change_in_place() -> None:
    wished = case(spec(databases=[{"name": "store", "collation": "utf8mb4_general_ci"}]))
    draft = only(databases(wished, [STORE], []))
    assert draft.verb is Verb.UPDATE
    assert [(c.before, c.after) for c in draft.changes] == [("utf8mb4_bin", "utf8mb4_general_ci")]


def test_those_of_others_are_taken_over_when_declared_and_left_alone_otherwise() -> None:
    theirs = Database("theirs")
    taken = only(databases(case(spec(databases=[{"name": "theirs"}])), [theirs], []))
    assert "takes it over" in taken.reason
    (left,) = summary(databases(case(spec()), [theirs], []))
    assert left == "note: database theirs is not managed by gitrove; left alone"
