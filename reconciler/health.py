"""How an instance is: one word, and why."""

from __future__ import annotations

from enum import StrEnum

from guest_agent.contract import report as words
from guest_agent.contract.report import Report
from planners.case import Found

_CHANGING = {"BUILD", "REBUILD", "RESIZE", "VERIFY_RESIZE", "REVERT_RESIZE", "REBOOT", "MIGRATING"}
"""Nova's statuses that pass by themselves."""


class Health(StrEnum):
    HEALTHY = "Healthy"
    PROGRESSING = "Progressing"
    DEGRADED = "Degraded"
    SUSPENDED = "Suspended"
    MISSING = "Missing"
    UNKNOWN = "Unknown"


def assess(found: Found, report: Report | None) -> tuple[Health, str]:
    """By what the cloud and the guest say; the reason is empty where there is nothing to say."""
    if not found.anything:
        return Health.MISSING, "it does not exist"
    if found.server is None:
        return Health.DEGRADED, "it has no server"
    if found.server.status != "ACTIVE":
        changing = found.server.status in _CHANGING
        health = Health.PROGRESSING if changing else Health.DEGRADED
        return health, f"its server is {found.server.status}"
    if report is None:
        return Health.UNKNOWN, "its guest does not answer"
    if not report.prepared:
        if report.fault:
            return Health.DEGRADED, report.fault
        return Health.PROGRESSING, "its database is not there yet"
    if report.status != words.RUNNING:
        return Health.DEGRADED, "its database server does not run"
    waits = report.configuration.restart_required
    return Health.HEALTHY, f"waits for a restart: {', '.join(waits)}" if waits else ""
