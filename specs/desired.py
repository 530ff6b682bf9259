"""The desired state of one revision, as the planner takes it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from specs.definitions import Definition
from specs.models import (
    Backup,
    BackupSchedule,
    ConfigurationGroup,
    Datastore,
    Instance,
    Quota,
    VolumeLayout,
)
from specs.models.instance import Volume
from specs.problems import Problem


class Address(NamedTuple):
    """A resource's project and name, which together are unique for its kind."""

    project: str
    name: str

    @classmethod
    def parse(cls, text: str) -> Address:
        """The address that was printed as ``project/name``."""
        project, _, name = text.partition("/")
        return cls(project, name)

    def __str__(self) -> str:
        return f"{self.project}/{self.name}"


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a document stands: file, and the document's number in it from 0."""

    file: str
    index: int


@dataclass(frozen=True, slots=True)
class Offer:
    """The datastore version that an instance gets: what the operator offers of a definition."""

    definition: Definition
    datastore: str
    version: str
    image: str
    active: bool = True
    deprecated: bool = False


@dataclass(frozen=True)
class Desired:
    """Everything that one revision declares, resolved and checked.

    ``offers`` has the datastore version of every instance, ``volumes`` its volumes by
    kind in the order in which they are mounted, ``parameters`` the canonical values of
    every configuration group.
    """

    revision: str = ""
    instances: dict[Address, Instance] = field(default_factory=dict)
    groups: dict[Address, ConfigurationGroup] = field(default_factory=dict)
    datastores: dict[str, Datastore] = field(default_factory=dict)
    quotas: dict[str, Quota] = field(default_factory=dict)
    layouts: dict[Address, VolumeLayout] = field(default_factory=dict)
    backups: dict[Address, Backup] = field(default_factory=dict)
    schedules: dict[Address, BackupSchedule] = field(default_factory=dict)
    offers: dict[Address, Offer] = field(default_factory=dict)
    volumes: dict[Address, dict[str, Volume]] = field(default_factory=dict)
    parameters: dict[Address, dict[str, str]] = field(default_factory=dict)
    origins: dict[tuple[str, Address], Origin] = field(default_factory=dict)
    warnings: tuple[Problem, ...] = ()

    def __len__(self) -> int:
        documents = len(self.instances) + len(self.groups) + len(self.datastores)
        documents += len(self.quotas) + len(self.backups) + len(self.schedules)
        return documents + len(self.layouts)
