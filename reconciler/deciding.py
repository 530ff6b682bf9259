"""A plan for a workspace, and what policy says of it."""

from __future__ import annotations

from collections.abc import Collection

from planners.observed import Observed
from planners.plan import Plan
from planners.planning import make_plan
from policy.access import Access
from policy.check import Consent, check
from policy.verdict import Verdict
from reconciler.workspace import Workspace
from specs.desired import Address

NONE = Consent()


def plan_for(workspace: Workspace, observed: Observed, targets: Collection[Address] = ()) -> Plan:
    """What it takes to make *observed* as the workspace declares; with *targets*, only those."""
    return make_plan(
        workspace.desired,
        observed,
        workspace.key,
        workspace.cloud_name,
        targets=set(targets),
        projects=workspace.projects,
        repository=workspace.revision.settings.repository,
    )


def judge(workspace: Workspace, made: Plan, consent: Consent = NONE) -> Verdict:
    """The verdict on a plan, done by the workspace's actor."""
    policy = workspace.revision.settings.policy
    rules = workspace.root / policy.rules if policy.rules else None
    share = policy.max_destroy_share
    return check(made, workspace.desired, workspace.actor, Access(rules), share, consent)
