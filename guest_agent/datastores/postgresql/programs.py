"""Where PostgreSQL's server programs are, of which several versions can be installed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from guest_agent.contract.errors import GuestError
from guest_agent.toolkit.programs import line_of

_PROGRAMS = Path("/usr/lib/postgresql")
"""Debian's folder, which no search path names."""


def program(name: str) -> str:
    """The path of a server program: the first on PATH, else the newest. Raises GuestError."""
    return str(bin_folder() / name)


def bin_folder(line: str = "") -> Path:
    """Where the programs are, or those of the major version *line*. Raises GuestError."""
    for folder in _folders():
        if not line or line_of(str(folder / "postgres"), 1) == line:
            return folder
    raise GuestError(f"PostgreSQL {line} is not installed".replace("  ", " "))


def installed_line() -> str:
    return line_of(program("postgres"), 1)


def _folders() -> Iterator[Path]:
    for each in os.environ.get("PATH", "").split(":"):
        if each and (server := Path(each) / "postgres").exists():
            # A link to the server alone leads to the folder that has the other programs.
            yield server.resolve().parent
    yield from sorted(_PROGRAMS.glob("*/bin"), key=lambda path: -int(path.parts[-2]))
