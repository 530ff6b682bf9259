"""The comment on a pull request: whole, within the forge's limit, and nothing in it is obeyed."""

from __future__ import annotations

import pytest

from planners.plan import Action, Change, Impact, Note, Obstacle, Plan, Verb
from planners.steps import CreateDatabase, DropDatabase
from policy.verdict import DENY, Finding, Verdict
from reconciler.markdown import MARK, comment

FINE = Verdict()


def action(name: str, verb: Verb = Verb.CREATE, **fields: object) -> Action:
    step = (DropDatabase if verb is Verb.DELETE else CreateDatabase)(instance="i", name=name)
    known: dict[str, object] = {
        "id": name, "address": f"shop/{name}", "item": f"database {name}", "verb": verb,
        "step": step, "reason": "declared",
    }  # fmt: skip
    return Action(**(known | fields))  # type: ignore[arg-type]


def plan(*actions: Action, **fields: object) -> Plan:
    return Plan(revision="c0ffee", actions=list(actions), **fields)  # type: ignore[arg-type]


def test_it_says_what_changes_what_it_costs_and_whether_it_may() -> None:
    dropped = action("b", Verb.DELETE, impact=Impact.DATA_LOSS, after=["a"])
    made = plan(action("a", changes=[Change(field="size", before="1", after="2")]), dropped)
    text = comment(made, FINE)
    assert text.startswith(f"{MARK}\n### Plan: 1 to create, 1 to delete on 2 instances.")
    assert "Greatest impact: data loss." in text and "**may be applied**" in text
    assert "<summary>~ shop/a</summary>" in text
    assert "size: 1 → 2" in text and "- drop database b  data loss" in text
    assert "```mermaid\nflowchart TD" in text and "a0 --> a1" in text
    assert made.digest[:12] in text and "c0ffee" in text


def test_a_plan_that_is_refused_says_why_first() -> None:
    denied = Verdict((Finding(DENY, "quota", "shop has 3 of 2 instances"),))
    told = comment(plan(obstacles=[Obstacle(address="shop/a", text="it is protected")]), denied)
    assert "**refused**" in told and "may be applied" not in told
    assert told.index("it is protected") < told.index("refused")
    assert "denied shop has 3 of 2 instances (`quota`)" in told


def test_what_the_base_plans_as_well_is_only_counted() -> None:
    a, b, c = action("a"), action("b", after=["a"]), action("c", after=["b"])
    other = action("c", step=CreateDatabase(instance="i", name="c", collation="C"))
    text = comment(plan(a, b, c), FINE, plan(a, b, other))
    assert "### Plan: 1 to create on 1 instance." in text
    assert "2 more actions would be done without this change" in text
    assert "shop/a<" not in text and "a0 -->" not in text
    assert plan(a, b, c).digest[:12] in text


@pytest.mark.parametrize("count", [0, 1, 300, 5000])
def test_it_stays_within_the_limit_of_the_forges(count: int) -> None:
    text = comment(plan(*(action(f"n{n}", reason="r" * 90) for n in range(count))), FINE)
    assert len(text) <= 60_000
    assert text.count("<details>") == text.count("</details>")
    if count == 5000:
        assert "more instances: run `gitrove plan`" in text and "mermaid" not in text
    if count == 300:
        assert "more instance" not in text


def test_nothing_in_names_or_texts_becomes_markup_or_calls_anybody() -> None:
    evil = "</details><script>@everyone ```\n# title"
    made = plan(
        action("a", reason=evil, address=f"shop/{evil}"),
        notes=[Note(address="shop/a", text="@everyone *see* <img src=x>")],
    )
    text = comment(made, FINE)
    assert "<summary>~ shop/&lt;/details&gt;&lt;script&gt;@everyone" in text
    assert "\\@everyone \\*see\\* \\<img" in text
    assert "````" in text
