"""Older versions of the database servers, which ``scripts/older-versions`` put on this machine."""

from __future__ import annotations

import os
from pathlib import Path


def _folder() -> Path:
    if named := os.environ.get("GITROVE_VERSIONS"):
        return Path(named)
    if os.geteuid() == 0:
        return Path("/var/cache/gitrove/versions")
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "gitrove" / "versions"


def _programs(version: str) -> Path:
    return _folder() / version / "bin"


IMAGES: dict[str, list[Path]] = {
    "mariadb-10.5": [_programs("mariadb-10.5")],
    "mariadb-10.11": [],
    "postgresql-13": [_programs("postgresql-13")],
    # pg_upgrade needs the programs of both versions.
    "postgresql-15": [Path("/usr/lib/postgresql/15/bin"), _programs("postgresql-13")],
    "redis-6.2": [_programs("redis-6.2")],
    "redis-7.0": [],
}
"""Folders with programs by the name of an image, before those of the machine."""
