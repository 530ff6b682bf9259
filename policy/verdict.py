"""What policy says of a plan."""

from __future__ import annotations

from dataclasses import dataclass

DENY = "deny"
WARN = "warn"


@dataclass(frozen=True, slots=True)
class Finding:
    """One objection: whether it denies or warns, the rule behind it, and what to do."""

    effect: str
    rule: str
    text: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """Every finding of one check."""

    findings: tuple[Finding, ...] = ()

    @property
    def allowed(self) -> bool:
        return not any(finding.effect == DENY for finding in self.findings)


@dataclass(frozen=True, slots=True)
class Actor:
    """Who runs the plan: a name, roles, and the projects they hold them in (``*``: all)."""

    name: str
    roles: tuple[str, ...] = ("member",)
    projects: tuple[str, ...] = ("*",)

    @property
    def admin(self) -> bool:
        return "admin" in self.roles

    def owns(self, project: str) -> bool:
        return "*" in self.projects or project in self.projects
