"""The plan: a directed acyclic graph of actions, as data that can be saved and read back."""

from __future__ import annotations

import hashlib
from enum import StrEnum

import msgspec

from planners.steps import AnyStep


class Verb(StrEnum):
    """What an action means to its resource."""

    CREATE = "create"
    UPDATE = "update"
    REPLACE = "replace"
    REPAIR = "repair"
    DELETE = "delete"


class Impact(StrEnum):
    """What an action costs the people who use the database, from nothing to everything."""

    NONE = "none"
    RELOAD = "reload"
    RESTART = "restart"
    FAILOVER = "failover"
    DOWNTIME = "downtime"
    DATA_LOSS = "data loss"


class _Data(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, rename="camel"):
    pass


class Change(_Data, frozen=True, kw_only=True):
    """One field's difference; secrets are shown by their absence, as ``(secret)``."""

    field: str
    before: str | None = None
    after: str | None = None


class Action(_Data, frozen=True, kw_only=True):
    """One step on one resource. ``after`` holds the ids of the actions that it waits for."""

    id: str
    address: str
    """The instance, ``project/name``."""
    item: str
    """What of it: ``server``, ``database shop``, ``user app``."""
    verb: Verb
    step: AnyStep
    reason: str
    impact: Impact = Impact.NONE
    changes: list[Change] = []
    after: list[str] = []


class Note(_Data, frozen=True, kw_only=True):
    """Something that the reader should know and that needs no action."""

    address: str
    text: str


class Obstacle(_Data, frozen=True, kw_only=True):
    """Something that makes the plan unusable until a person decides."""

    address: str
    text: str


class Summary(_Data, frozen=True, kw_only=True):
    """By project: instances managed now; after the plan: instances, GiB of volumes, backups.

    ``destroyed`` has the addresses of those that the plan takes away.
    """

    managed: dict[str, int] = {}
    destroyed: list[str] = []
    instances: dict[str, int] = {}
    volumes: dict[str, int] = {}
    backups: dict[str, int] = {}
    unchanged: int = 0


class Plan(_Data, frozen=True, kw_only=True):
    """Everything that apply needs. ``basis`` has a digest of what each address was observed as."""

    revision: str = ""
    cloud: str = ""
    actions: list[Action] = []
    notes: list[Note] = []
    obstacles: list[Obstacle] = []
    basis: dict[str, str] = {}
    summary: Summary = Summary()
    version: int = 1

    @property
    def digest(self) -> str:
        """The plan's identity: the same plan has the same digest, byte for byte."""
        return hashlib.sha256(encode(self)).hexdigest()


def encode(plan: Plan) -> bytes:
    return msgspec.json.encode(plan)


def decode(raw: bytes) -> Plan:
    """Raises ValueError for what is not a plan."""
    return msgspec.json.decode(raw, type=Plan)
