"""Which plans wait for a second person, and how many of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from planners.plan import Plan
from policy.signatures import Trust
from reconciler.consent import unapproved
from reconciler.journal.approvals import Approvals
from reconciler.journal.journal import Journal
from reconciler.workspace import Workspace
from specs.revision import Revision
from specs.settings import Settings
from tests.reconciler.loop.test_holds import action, plan

ACTORS = {
    "alice": {"roles": ["member"]},
    "bob": {"roles": ["approver"]},
    "carol": {"roles": ["admin"]},
}
RULES = [{"impact": "downtime", "projects": ["a"]}, {"impact": "data loss", "approvers": 2}]


@pytest.fixture
def approvals(tmp_path: Path) -> Approvals:
    return Approvals(Journal(f"sqlite:///{tmp_path}/journal.db"))


def missing(made: Plan, approvals: Approvals, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    monkeypatch.setenv("GITROVE_ACTOR", "alice")
    settings = Settings.model_validate(
        {
            "apiVersion": "gitrove/v1",
            "kind": "Settings",
            "clouds": {"sim": {"driver": "simulated"}},
            "policy": {"actors": ACTORS, "approvals": RULES},
        }
    )
    workspace = Workspace(Path(), Revision("c0ffee", settings, ()))
    return unapproved(made, workspace, Trust(), approvals)


def test_only_the_rules_that_match_count(
    approvals: Approvals, monkeypatch: pytest.MonkeyPatch
) -> None:
    quiet = plan(action("a/x:1"), action("b/y:1", impact="downtime"))
    assert missing(quiet, approvals, monkeypatch) == {}
    loud = plan(action("a/x:1", impact="downtime"), action("a/z:1"))
    (why,) = missing(loud, approvals, monkeypatch).values()
    assert why.startswith("it waits for 1 approval: gitrove approve ")
    worst = plan(action("b/y:1", impact="data loss"))
    (why,) = missing(worst, approvals, monkeypatch).values()
    assert why.startswith("it waits for 2 approvals")


def test_others_who_may_approve_and_that_plan_count(
    approvals: Approvals, monkeypatch: pytest.MonkeyPatch
) -> None:
    worst = plan(action("b/y:1", impact="data loss"))
    (why,) = missing(worst, approvals, monkeypatch).values()
    ((digest, _),) = approvals.plans(why.rpartition(" ")[2]).items()
    for name, left in (("alice", 2), ("nobody", 2), ("bob", 1), ("bob", 1)):
        approvals.add(digest, name, "")
        (why,) = missing(worst, approvals, monkeypatch).values()
        assert f"waits for {left} approval" in why
    approvals.add(digest, "carol", "")
    assert missing(worst, approvals, monkeypatch) == {}
    other = plan(action("b/y:1", impact="data loss"), action("b/y:2"))
    assert missing(other, approvals, monkeypatch)
