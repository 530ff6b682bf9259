"""Limits on what one plan may do, whoever runs it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from planners.plan import Plan
from policy.verdict import DENY, Finding
from specs.desired import Address

MASS_DESTROY = "guardrail:mass_destroy"
EMPTY = "guardrail:empty_repository"


def mass_destroy(plan: Plan, largest_share: float, accepted: bool) -> Iterator[Finding]:
    """A denial for each project of which *plan* destroys more than *largest_share*."""
    if accepted:
        return
    for project, destroyed in Counter(
        Address.parse(address).project for address in plan.summary.destroyed
    ).items():
        managed = plan.summary.managed.get(project, destroyed)
        if destroyed / managed > largest_share:
            yield Finding(
                DENY,
                MASS_DESTROY,
                f"the plan destroys {destroyed} of {managed} instances of {project}, more than "
                f"{largest_share:.0%} of them; if that is meant, add --allow-mass-destroy",
            )


def empty_repository(plan: Plan, declared: int, tearing_down: bool) -> Iterator[Finding]:
    """A denial where nothing is declared at all and something would be destroyed."""
    if declared == 0 and plan.summary.destroyed and not tearing_down:
        yield Finding(
            DENY,
            EMPTY,
            "the revision declares nothing at all, which looks like an accident; "
            "to remove everything run: gitrove destroy",
        )
