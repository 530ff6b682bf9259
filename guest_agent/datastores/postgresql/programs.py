"""Where PostgreSQL's server programs are, which no search path names."""

from __future__ import annotations

from pathlib import Path

from guest_agent.contract.errors import GuestError

_PROGRAMS = Path("/usr/lib/postgresql")


def program(name: str) -> str:
    """The path of a server program of the newest version that is installed. Raises GuestError."""
    found = sorted(_PROGRAMS.glob(f"*/bin/{name}"), key=lambda path: int(path.parts[-3]))
    if not found:
        raise GuestError(f"PostgreSQL's {name} is not installed")
    return str(found[-1])
