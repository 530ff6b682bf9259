"""Per-project quotas (newton-quota-management), against what is and what is planned."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from planners.plan import Plan
from planners.steps import CreateServer, CreateVolume, ExtendVolume, TakeBackup
from policy.verdict import DENY, WARN, Finding
from specs.desired import Address
from specs.models import Quota

RULE = "quota"


def quotas(plan: Plan, limits: Mapping[str, Quota]) -> Iterator[Finding]:
    """A finding for each limit that is exceeded after the plan.

    It denies where the plan itself adds to the project, and else only warns: a
    quota lowered below what exists must not block repairs.
    """
    adding = {
        Address.parse(action.address).project
        for action in plan.actions
        if isinstance(action.step, CreateServer | CreateVolume | ExtendVolume | TakeBackup)
    }
    for project, quota in sorted(limits.items()):
        used = {
            "instances": plan.summary.instances.get(project, 0),
            "volumes": plan.summary.volumes.get(project, 0),
            "backups": plan.summary.backups.get(project, 0),
        }
        for resource, amount in used.items():
            limit = getattr(quota.spec, resource)
            if limit is not None and amount > limit:
                unit = "GiB of volumes" if resource == "volumes" else resource
                text = f"{project} would use {amount} {unit}; its quota is {limit}"
                yield Finding(DENY if project in adding else WARN, f"{RULE}:{resource}", text)
