"""Everything policy has to say of one plan, in one verdict."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from planners.plan import Plan, Verb
from policy.access import Access
from policy.guardrails import empty_repository, mass_destroy
from policy.quotas import quotas
from policy.verdict import DENY, Actor, Finding, Verdict
from specs.desired import Desired


@dataclass(frozen=True, slots=True)
class Consent:
    """What the person said on the command line."""

    mass_destroy: bool = False
    tearing_down: bool = False


def check(
    plan: Plan,
    desired: Desired,
    actor: Actor,
    access: Access,
    largest_share: float,
    consent: Consent = Consent(),
) -> Verdict:
    """The verdict on *plan*, made from *desired*."""
    findings = access.check(plan.actions, actor)
    findings += _deprecated(plan, desired, actor, access)
    findings += mass_destroy(plan, largest_share, consent.mass_destroy)
    findings += empty_repository(plan, len(desired), consent.tearing_down)
    findings += quotas(plan, desired.quotas)
    return Verdict(tuple(findings))


def _deprecated(plan: Plan, desired: Desired, actor: Actor, access: Access) -> Iterator[Finding]:
    created = {a.address for a in plan.actions if a.item == "server" and a.verb is Verb.CREATE}
    for address, offer in desired.offers.items():
        rule = "datastore:use_deprecated"
        if not offer.deprecated or str(address) not in created:
            continue
        if not access.allows(rule, address.project, actor):
            text = (
                f"{offer.datastore} {offer.version} is deprecated: {actor.name} may not create it"
            )
            yield Finding(DENY, rule, text)
