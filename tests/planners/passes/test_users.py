"""Users with their passwords and grants follow the declaration; others' are left alone."""

from __future__ import annotations

from typing import Any

from guest_agent.contract.report import User
from planners.passes.users import users
from planners.plan import Verb
from planners.steps import CreateUser, RenameUser, SetGrants, SetPassword
from tests.support.cases import case, only, spec, summary


def wished(**fields: Any) -> dict[str, Any]:
    app = {"name": "app", "grants": [{"database": "store"}]} | fields
    return spec(databases=[{"name": "store"}], users=[app])


def present(**fields: Any) -> User:
    known: dict[str, Any] = {"grants": {"store": ["ALL"]}, "fingerprint": "app@%#1"}
    return User("app", "%", **({"managed": True} | known | fields))


def test_as_declared() -> None:
    assert summary(users(case(wished()), [present()], [])) == []


def test_a_new_user_comes_with_password_and_grants() -> None:
    draft = only(users(case(wished()), [], []))
    assert draft.verb is Verb.CREATE and isinstance(draft.step, CreateUser)
    assert draft.step.grants == {"store": ["ALL"]} and draft.step.fingerprint == "app@%#1"


def test_a_dropped_user_comes_back_as_a_repair() -> None:
    assert only(users(case(wished()), [], ["user app@%"])).verb is Verb.REPAIR


def test_a_rotated_password_is_an_update_and_a_changed_one_a_repair() -> None:
    rotated = only(users(case(wished(password={"rotation": 2})), [present()], []))
    assert rotated.verb is Verb.UPDATE and isinstance(rotated.step, SetPassword)
    changed = only(users(case(wished()), [present(password_drifted=True)], []))
    assert changed.verb is Verb.REPAIR and isinstance(changed.step, SetPassword)


def test_grants_follow_the_declaration_or_are_repaired() -> None:
    fewer = wished(grants=[{"database": "store", "privileges": ["SELECT"]}])
    update = only(users(case(fewer), [present()], []))
    assert update.verb is Verb.UPDATE and isinstance(update.step, SetGrants)
    assert [(c.before, c.after) for c in update.changes] == [("ALL", "SELECT")]
    meddled = present(grants={"*": ["SUPER"]}, grants_drifted=True)
    assert only(users(case(wished()), [meddled], [])).verb is Verb.REPAIR


def test_a_former_name_renames_and_keeps_what_the_user_has() -> None:
    former = User("old", "%", managed=True, grants={"store": ["ALL"]})
    draft = only(users(case(wished(formerName="old")), [former], []))
    assert isinstance(draft.step, RenameUser) and draft.step.new_name == "app"


def test_managed_users_that_are_not_declared_go_and_others_stay() -> None:
    theirs = User("dba", "localhost")
    answer = summary(users(case(spec()), [present(), theirs], []))
    assert answer == [
        "delete user app@%",
        "note: user dba@localhost is not managed by gitrove; left alone",
    ]


def test_a_user_of_others_is_taken_over_when_declared() -> None:
    draft = only(users(case(wished()), [present(managed=False)], []))
    assert "takes it over" in draft.reason and isinstance(draft.step, CreateUser)
