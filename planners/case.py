"""One instance, as wished and as found: what every pass looks at, and what it answers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from guest_agent.contract.report import Report
from planners import observed as seen
from planners.identity import instance_id
from planners.observed import (
    Catalogue,
    FloatingAddress,
    Group,
    Observed,
    Port,
    Record,
    Server,
    Volume,
)
from planners.plan import Change, Impact, Note, Obstacle, Verb
from planners.steps import AnyStep, SecretSource
from specs.desired import Address, Offer
from specs.models import Instance
from specs.models import instance as wishes
from specs.models.secret import SecretRef


class SecretMissing(Exception):
    """The source of a password cannot be read; the text names the source, not the secret."""


class Fingerprints(Protocol):
    """Tells passwords apart without showing them."""

    def fingerprint(self, instance: str, login: str, source: SecretSource) -> str:
        """A keyed digest of the password. Raises SecretMissing."""
        ...


class Found(NamedTuple):
    """What exists of one address. ``report`` is None while the guest does not answer."""

    servers: list[Server]
    volumes: list[Volume]
    ports: list[Port]
    groups: list[Group] = []
    floating: list[FloatingAddress] = []

    @property
    def server(self) -> Server | None:
        return self.servers[0] if self.servers else None

    @property
    def volume(self) -> Volume | None:
        """The one with the data."""
        return self.volume_of(seen.DATA)

    def volume_of(self, kind: str) -> Volume | None:
        return next((each for each in self.volumes if each.kind == kind), None)

    @property
    def port(self) -> Port | None:
        return self.ports[0] if self.ports else None

    @property
    def group(self) -> Group | None:
        return self.groups[0] if self.groups else None

    @property
    def anything(self) -> bool:
        return any(self)

    @property
    def id(self) -> str:
        """The managed id that the pieces carry; empty when nothing exists."""
        for pieces in self:
            for piece in pieces:
                return str(piece.metadata.get(seen.ID, ""))
        return ""


NOTHING = Found([], [], [])


@dataclass(frozen=True, slots=True)
class World:
    """What all cases share."""

    observed: Observed
    fingerprints: Fingerprints
    group_values: Mapping[Address, Mapping[str, str]]


@dataclass(frozen=True, slots=True)
class Case:
    """One wished instance beside what was found of it. ``id`` is the one it has, or will get."""

    address: Address
    wanted: Instance
    offer: Offer
    volumes: Mapping[str, wishes.Volume]
    """The wished ones by kind, in the order in which they are mounted."""
    found: Found
    report: Report | None
    record: Record
    id: str
    world: World

    @property
    def memory(self) -> int:
        """MiB of the wished flavor; 0 while the cloud does not list it."""
        wished = self.wanted.spec.flavor
        return next((f.ram for f in self.catalogue.flavors if f.name == wished), 0)

    @property
    def region(self) -> str:
        """The wished region; empty for the cloud's first."""
        wished = self.wanted.spec.region or ""
        return "" if wished == self.world.observed.cloud.region else wished

    @property
    def catalogue(self) -> Catalogue:
        """What the wished region offers; nothing where there is no such region."""
        cloud = self.world.observed.cloud
        return cloud.further_regions.get(self.region, Catalogue()) if self.region else cloud

    @property
    def configuration(self) -> Mapping[str, str]:
        """The wished parameters in canonical form."""
        group = self.wanted.spec.configuration
        if group is None:
            return {}
        return self.world.group_values.get(Address(self.address.project, group), {})


@dataclass(frozen=True, slots=True)
class Draft:
    """An action before it has a place in the graph."""

    item: str
    verb: Verb
    step: AnyStep
    reason: str
    impact: Impact = Impact.NONE
    changes: list[Change] = field(default_factory=list)


Answer = Iterator[Draft | Note | Obstacle]


def next_id(address: Address, record: Record) -> str:
    """The id of the life that begins now, or that was begun and interrupted."""
    lives = record.incarnation + 1 if record.deleted else record.incarnation
    return instance_id(address.project, address.name, lives)


def secret_source(ref: SecretRef) -> SecretSource:
    return SecretSource(ref.rotation, ref.from_env or "", ref.from_file or "")
