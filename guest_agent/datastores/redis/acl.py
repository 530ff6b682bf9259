"""Redis' ACL users, as rules to set and as lines of ``ACL LIST`` to read."""

from __future__ import annotations

import hashlib

from guest_agent.datastores.driver import Account

ALL = "ALL"
EVERYWHERE = "*"
_ALL_RULES = ("~*", "&*", "+@all", "-@admin")
"""Everything but administration: CONFIG, ACL, SHUTDOWN and their kind stay with the agent."""


def password_rules(password: str) -> tuple[str, ...]:
    """Rules that leave exactly this password, handed over as its digest."""
    return ("resetpass", f"#{hashlib.sha256(password.encode()).hexdigest()}")


def grant_rules(grants: dict[str, list[str]]) -> tuple[str, ...]:
    """Rules that leave exactly *grants*, whose privileges are ACL rules or ALL."""
    rules = ["resetkeys", "resetchannels", "nocommands"]
    for privilege in grants.get(EVERYWHERE, []):
        rules += _ALL_RULES if privilege == ALL else [privilege]
    return tuple(rules)


def account(line: str) -> Account:
    """The login of one line of ``ACL LIST``; without a password, or off, it has no verifier."""
    _, name, *tokens = line.split(" ")
    digests = sorted(token for token in tokens if token.startswith("#"))
    rules = [t for t in tokens if t[0] in "~%&+-" and t not in ("-@all",)]
    usable = "on" in tokens and bool(digests)
    verifier = hashlib.sha256("".join(digests).encode()).hexdigest() if usable else ""
    return Account(name, "", {EVERYWHERE: rules} if rules else {}, verifier)
