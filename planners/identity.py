"""Stable identities: the same declaration has the same id, whoever computes it, and when."""

from __future__ import annotations

import uuid

_NAMESPACE = uuid.UUID("5f6d9d2b-63a1-4be0-9f3c-6f3b5a2c8f10")


def instance_id(project: str, name: str, incarnation: int) -> str:
    """The id of the *incarnation*-th (from 0) life of an instance.

    A repeated create finds what an interrupted one left, because it looks for
    the same id; an instance made again after a delete gets another.
    """
    return str(uuid.uuid5(_NAMESPACE, f"{project}/{name}#{incarnation}"))


def backup_id(project: str, instance: str, name: str) -> str:
    """The id of the backup *name* of an instance: repeated, it replaces what was interrupted."""
    return str(uuid.uuid5(_NAMESPACE, f"{project}/{instance}/backup/{name}"))
