"""What the control plane has to know of PostgreSQL, as pure functions."""

from __future__ import annotations


def needs(name: str, position: dict[str, str]) -> bool:
    """Whether the archived file *name* has anything that comes after a backup's *position*.

    The history of timelines is always needed.
    """
    return name.endswith(".history") or name[8:24] >= segment(position["start"])


def segment(lsn: str) -> str:
    """The name, without its timeline, of the 16 MiB segment of the log that holds *lsn*."""
    high, low = (int(part, 16) for part in lsn.split("/"))
    return f"{high:08X}{low >> 24:08X}"
