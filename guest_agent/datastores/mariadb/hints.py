"""What the control plane has to know of MariaDB, as pure functions."""

from __future__ import annotations


def needs(name: str, position: dict[str, str]) -> bool:
    """Whether the binary log *name* has anything that comes after a backup's *position*."""
    return number(name) >= number(position["binlog"])


def number(name: str) -> int:
    """The number in a binary log's name, such as 7 in ``binlog.000007``."""
    return int(name.rpartition(".")[2])
