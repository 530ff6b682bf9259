"""Where gitrove keeps what is its own: keys, journal, locks, caches, local clouds."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path


def home() -> Path:
    """``GITROVE_HOME``; else /var/lib/gitrove for root, and the user's state folder otherwise."""
    named = os.environ.get("GITROVE_HOME")
    if named:
        return Path(named).absolute()
    if os.geteuid() == 0:
        return Path("/var/lib/gitrove")
    state = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(state) / "gitrove"


def make_home() -> None:
    """Make it, if it is missing; a database server's user passes through root's."""
    home().mkdir(parents=True, exist_ok=True)
    if os.geteuid() == 0:
        home().chmod(0o711)


def key_file() -> Path:
    return Path(os.environ.get("GITROVE_KEY_FILE") or home() / "control.key")


def journal_url() -> str:
    return f"sqlite:///{home() / 'journal.db'}"


def cache_file(root: Path) -> Path:
    digest = hashlib.sha256(str(root.resolve()).encode()).hexdigest()[:16]
    return home() / "cache" / f"{digest}.json"


def cloud_state(name: str) -> Path:
    return home() / "clouds" / name


def backups() -> Path:
    return home() / "backups"


def network_for(state: Path) -> str:
    """A /24 of the loopback range that belongs to this state folder, by its path."""
    digest = hashlib.sha256(str(state).encode()).digest()
    return f"127.{64 + digest[0] % 128}.{digest[1]}.0/24"
