"""What was made through gitrove on this volume; it travels with the data.

Databases and users that are not in the ledger belong to somebody else: they are
reported and left alone. Of a password it holds the control plane's fingerprint
and the server's own verifier, so that a change by hand is noticed.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from guest_agent.toolkit.files import write_atomically


@dataclass
class Login:
    """One login as it was last set.

    ``fingerprint`` is the control plane's, ``verifier`` the server's digest of
    its password; ``grants`` are as written, ``made_of_it`` as the server then
    had them (Redis rewrites rules).
    """

    fingerprint: str = ""
    verifier: str = ""
    grants: dict[str, list[str]] = field(default_factory=dict)
    made_of_it: dict[str, list[str]] = field(default_factory=dict)


@dataclass
class Ledger:
    """Databases by name, users by ``name@host``, and whether root was ever enabled.

    ``accepted`` maps a parameter to the value written and the one the server made of it;
    ``written`` is the last configuration, ``pending`` what of it waits for a restart.
    """

    databases: list[str] = field(default_factory=list)
    users: dict[str, Login] = field(default_factory=dict)
    root: Login = field(default_factory=Login)
    root_ever_enabled: bool = False
    memory_mib: int = 0
    accepted: dict[str, list[str]] = field(default_factory=dict)
    written: dict[str, str] = field(default_factory=dict)
    pending: list[str] = field(default_factory=list)
    line: str = ""
    """The version line that the data is of."""


def load(path: Path) -> Ledger:
    try:
        return of(json.loads(path.read_text()))
    except FileNotFoundError:
        return Ledger()


def of(raw: dict[str, Any]) -> Ledger:
    """The ledger that was written as *raw*; an empty one is an empty ledger."""
    if not raw:
        return Ledger()
    raw = dict(raw)
    users = {name: Login(**login) for name, login in raw.pop("users").items()}
    return Ledger(users=users, root=Login(**raw.pop("root")), **raw)


def save(ledger: Ledger, path: Path) -> None:
    write_atomically(path, json.dumps(asdict(ledger), indent=1))
