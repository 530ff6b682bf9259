"""Access rules by oslo.policy, under the names of ocata-trove-policy.

All rules of an action, and all actions of one instance, are checked together:
who may not create users may not create an instance with users either.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

from oslo_config import cfg
from oslo_policy import policy as oslo

from planners.plan import Action
from policy.verdict import DENY, Actor, Finding
from specs.desired import Address

_OWNER = "rule:admin_or_owner"
_OWNED = """
instance: create delete index show update edit restart resize_volume resize_flavor reset_password
  promote_to_replica_source eject_replica_source configuration guest_log_list backups module_list
  module_apply module_remove
instance:extension:root: create delete index
instance:extension:user: create delete index show update update_all
instance:extension:user_access: update delete index
instance:extension:database: create delete index show
cluster: create delete index show show_instance action
cluster:extension:root: create delete index
backup: create delete index show
configuration: create delete index show instances update edit
configuration-parameter: index show index_by_version show_by_version
limits: index
module: create delete index show instances update
"""
_OPEN = """
datastore: index show version_show version_show_by_uuid version_index list_associated_flavors
  list_associated_volume_types
flavor: index show
"""


def defaults() -> list[oslo.RuleDefault]:
    """The registered rules with the defaults of the spec."""
    shared = "role:admin or is_admin:True or tenant:%(tenant)s"
    rules = [
        oslo.RuleDefault("admin_or_owner", shared),
        oslo.RuleDefault("default", _OWNER),
        oslo.RuleDefault("datastore:use_deprecated", "role:admin"),
    ]
    rules += [oslo.RuleDefault(name, _OWNER) for name in _names(_OWNED)]
    return rules + [oslo.RuleDefault(name, "") for name in _names(_OPEN)]


def _names(table: str) -> Iterable[str]:
    prefix = ""
    for line in table.strip().splitlines():
        if not line.startswith(" "):
            prefix, _, line = line.rpartition(": ")
        yield from (f"{prefix}:{word}" for word in line.split())


class Access:
    """The rules in force: the defaults, and the *rules* file over them."""

    def __init__(self, rules: Path | None = None) -> None:
        conf = cfg.ConfigOpts()
        conf([], project="gitrove", default_config_files=[], default_config_dirs=[])
        self._enforcer = oslo.Enforcer(conf, policy_file=str(rules or "/nonexistent"))
        self._enforcer.suppress_default_change_warnings = True
        self._enforcer.register_defaults(defaults())
        self._allowed = lru_cache(maxsize=None)(self._ask)

    def allows(self, rule: str, project: str, actor: Actor) -> bool:
        return self._allowed(rule, project, actor)

    def check(self, actions: Iterable[Action], actor: Actor) -> list[Finding]:
        """One denial for every instance with actions that *actor* may not do."""
        refused: dict[str, set[str]] = {}
        for action in actions:
            project = Address.parse(action.address).project
            for rule in action.step.RULES:
                if not self.allows(rule, project, actor):
                    refused.setdefault(action.address, set()).add(rule)
        return [
            Finding(DENY, rule, f"{actor.name} may not do {rule} on {address}")
            for address, rules in refused.items()
            for rule in sorted(rules)
        ]

    def _ask(self, rule: str, project: str, actor: Actor) -> bool:
        creds = {
            "user_id": actor.name,
            "roles": list(actor.roles),
            "is_admin": actor.admin,
            "tenant": project if actor.owns(project) else "",
        }
        return bool(self._enforcer.enforce(rule, {"tenant": project}, creds))
