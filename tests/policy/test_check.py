"""Access rules, guardrails and quotas on real plans."""

from __future__ import annotations

from pathlib import Path

import pytest

from policy.access import Access
from policy.check import Consent, check
from policy.verdict import Actor, Verdict
from specs.desired import Desired
from tests.support.texts import FULL
from tests.support.worlds import SimulatedWorld, desire

NO_CONSENT = Consent()
MEMBER = Actor("ann", ("member",), ("shop",))


def judged(
    world: SimulatedWorld,
    desired: Desired,
    actor: Actor = MEMBER,
    rules: Path | None = None,
    consent: Consent = NO_CONSENT,
) -> Verdict:
    return check(world.plan(desired), desired, actor, Access(rules), 0.5, consent)


def test_an_owner_may_and_a_stranger_may_not(world: SimulatedWorld) -> None:
    assert judged(world, desire(FULL)).allowed
    verdict = judged(world, desire(FULL), Actor("eve", ("member",), ("other",)))
    assert not verdict.allowed
    assert "eve may not do instance:create on shop/cache" in {f.text for f in verdict.findings}
    assert judged(world, desire(FULL), Actor("root", ("admin",), ())).allowed


def test_who_may_not_make_users_may_not_make_an_instance_with_users(
    world: SimulatedWorld, tmp_path: Path
) -> None:
    rules = tmp_path / "policy.yaml"
    rules.write_text('"instance:extension:user:create": "role:admin"\n')
    verdict = judged(world, desire(FULL), rules=rules)
    assert {f.text.rpartition(" ")[2] for f in verdict.findings} == {"shop/orders"}
    assert not verdict.allowed


def test_much_is_destroyed_only_on_request(world: SimulatedWorld) -> None:
    world.converge(desire(FULL))
    one_left = desire(FULL.partition("---")[0] + "---" + FULL.rpartition("---")[2])
    assert "--allow-mass-destroy" in judged(world, one_left).findings[0].text
    assert judged(world, one_left, consent=Consent(mass_destroy=True)).allowed


def test_another_projects_instances_do_not_make_a_share_smaller(world: SimulatedWorld) -> None:
    other = FULL.replace("metadata: {name: ", "metadata: {project: other, name: ")
    world.converge(desire(FULL + "---" + other))
    group = "---" + FULL.rpartition("---")[2]
    verdict = judged(world, desire(other + group), Actor("root", ("admin",), ()))
    (denial,) = [f for f in verdict.findings if f.rule == "guardrail:mass_destroy"]
    assert "4 of 4 instances of shop" in denial.text


def test_an_empty_revision_never_destroys(world: SimulatedWorld) -> None:
    world.converge(desire(FULL))
    verdict = judged(world, desire(""), consent=Consent(mass_destroy=True))
    assert [f.rule for f in verdict.findings] == ["guardrail:empty_repository"]


@pytest.mark.parametrize(
    ("limits", "allowed"),
    [("instances: 4", True), ("instances: 3", False), ("volumes: 5", True), ("volumes: 4", False)],
)
def test_quotas_count_what_is_and_what_is_planned(
    world: SimulatedWorld, limits: str, allowed: bool
) -> None:
    quota = "---\napiVersion: gitrove/v1\nkind: Quota\nmetadata: {name: q}\nspec: {%s}\n"
    assert judged(world, desire(FULL + quota % limits)).allowed is allowed


@pytest.mark.parametrize(("limit", "allowed"), [(2, True), (1, False)])
def test_a_quota_of_backups_counts_those_that_are_stored(
    world: SimulatedWorld, limit: int, allowed: bool
) -> None:
    world.converge(desire(FULL))
    head = "---\napiVersion: gitrove/v1\n"
    second = "kind: Backup\nmetadata: {name: second}\nspec: {instance: orders}\n"
    quota = f"kind: Quota\nmetadata: {{name: q}}\nspec: {{backups: {limit}}}\n"
    more = FULL + head + second + head + quota
    assert judged(world, desire(more)).allowed is allowed


def test_a_protected_instance_is_not_deleted(world: SimulatedWorld) -> None:
    kept = FULL.replace("root: {enabled: true}", "lifecycle: {preventDestroy: true}", 1)
    world.converge(desire(kept))
    plan = world.plan(desire(FULL.partition("---")[2]))
    assert [o.address for o in plan.obstacles] == ["shop/orders"]
    assert not any(action.address == "shop/orders" for action in plan.actions)
