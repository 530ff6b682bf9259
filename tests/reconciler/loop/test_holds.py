"""What waits takes with it what waits for it, and parts of a plan have digests of their own."""

from __future__ import annotations

from planners.plan import Action, Impact, Plan, Summary, Verb
from planners.steps import StartDatabase
from reconciler.loop.holds import by_project, held, part, without
from reconciler.loop.rules import Rules


def action(name: str, *after: str, verb: Verb = Verb.UPDATE, impact: str = "none") -> Action:
    address = name.rpartition(":")[0]
    return Action(
        id=name,
        address=address,
        item=name,
        verb=verb,
        step=StartDatabase(instance="i"),
        reason="",
        impact=Impact(impact),
        after=list(after),
    )


def plan(*actions: Action, unchanged: int = 0) -> Plan:
    basis = {each.address: "digest" for each in actions}
    summary = Summary(managed={"a": 2, "b": 1}, destroyed=["a/x"], unchanged=unchanged)
    return Plan(actions=list(actions), basis=basis, summary=summary)


def test_dependents_wait_too_and_their_address_is_not_checked() -> None:
    chain = [action("a/x:1"), action("a/x:2", "a/x:1"), action("a/x:3", "a/x:2"), action("b/y:1")]
    left = without(plan(*chain), {"a/x:2"})
    assert [each.id for each in left.actions] == ["a/x:1", "b/y:1"]
    assert set(left.basis) == {"a/x", "b/y"}
    left = without(plan(*chain), {"a/x:1"})
    assert set(left.basis) == {"b/y"} and left.summary.destroyed == []


def test_what_brings_back_waits_for_nothing_that_has_to_wait() -> None:
    on = action("a/x:1", verb=Verb.REPAIR)
    resize, write = action("a/x:2", "a/x:1"), action("a/x:3", "a/x:2")
    start = action("a/x:4", "a/x:3", verb=Verb.REPAIR)
    whole = plan(on, resize, write, start, action("a/x:5", "a/x:4"))
    left = without(whole, {"a/x:2", "a/x:5"}).actions
    # It still comes after what comes before that.
    assert [(each.id, each.after) for each in left] == [("a/x:1", []), ("a/x:4", ["a/x:1"])]
    assert [each.id for each in without(whole, {"a/x:2", "a/x:4"}).actions] == ["a/x:1"]


def test_the_part_of_a_project_does_not_change_with_the_others() -> None:
    one, other = action("a/x:1"), action("b/y:1")
    first = part(plan(one, other, unchanged=3), {"a/x"})
    assert first == part(plan(one, unchanged=4), {"a/x"})
    assert first.summary == Summary(managed={"a": 2}, destroyed=["a/x"])


def test_each_project_gets_the_part_that_it_would_get_alone() -> None:
    whole = plan(action("a/x:1"), action("b/y:1"), action("a/z:1"), action("a/x:2", "a/x:1"))
    parts = by_project(whole, {"a/x", "b/y"})
    assert {project: [a.id for a in own.actions] for project, own in parts.items()} == {
        "a": ["a/x:1", "a/x:2"],
        "b": ["b/y:1"],
    }
    assert parts["a"].digest == part(whole, {"a/x"}).digest


def test_why_an_action_waits() -> None:
    quiet = action("a/x:1")
    loud = action("a/x:2", impact="downtime")
    repair = action("a/x:3", verb=Verb.REPAIR)

    def why(rules: Rules, settled: bool = True, wanted: bool = False) -> list[str]:
        subjects = {"a/x"} if wanted else set()
        actions = [quiet, loud, repair]
        return sorted(held(actions, lambda _: rules, lambda _: settled, subjects))

    every = ["a/x:1", "a/x:2", "a/x:3"]
    assert why(Rules("full")) == []
    assert why(Rules("full", suspended="so")) == why(Rules("observe")) == every
    assert why(Rules("full", suspended="so"), wanted=True) == every
    assert why(Rules("plan"), wanted=True) == why(Rules("heal"), wanted=True) == []
    assert why(Rules("heal")) == [] and why(Rules("heal"), settled=False) == every[:2]
    assert why(Rules("full", frozen="so")) == every[:2]
    assert why(Rules("full", opens=5.0)) == ["a/x:2"]
