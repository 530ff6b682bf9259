"""Limits on what one plan may do, whoever runs it."""

from __future__ import annotations

from collections.abc import Iterator

from planners.plan import Plan
from policy.verdict import DENY, Finding

MASS_DESTROY = "guardrail:mass_destroy"
EMPTY = "guardrail:empty_repository"


def mass_destroy(plan: Plan, largest_share: float, accepted: bool) -> Iterator[Finding]:
    """A denial where *plan* destroys more than *largest_share* of what is managed."""
    destroyed, managed = len(plan.summary.destroyed), plan.summary.managed
    if accepted or not managed or destroyed / managed <= largest_share:
        return
    yield Finding(
        DENY,
        MASS_DESTROY,
        f"the plan destroys {destroyed} of {managed} instances, more than "
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
