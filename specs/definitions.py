"""A datastore's definition and its parameters, as read from its folder.

The data is checked when it is read: a definition that is wrong fails loudly.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel
from ruamel.yaml.cyaml import CSafeLoader

from specs.parameters import Parameter

Capability = Literal[
    "databases", "users", "hosts", "renameUser", "grants", "root", "configuration", "backup",
    "incrementalBackup", "pointInTime",
]  # fmt: skip
Maturity = Literal["experimental", "technical preview", "stable"]


class _Data(BaseModel):
    model_config = ConfigDict(
        frozen=True, extra="forbid", alias_generator=to_camel, populate_by_name=True
    )


class VersionDefinition(_Data):
    """A version that the driver can run, and those whose data it can take over."""

    packages: list[str]
    upgrades_from: list[str] = Field(default_factory=list)
    maturity: Maturity | None = None
    """Where it is another than the datastore's."""


class Names(_Data):
    """Which names the server can have, and which belong to somebody."""

    pattern: str
    reserved: list[str] = Field(default_factory=list)

    def objection(self, name: str) -> str:
        """Why *name* cannot be used, or nothing."""
        if not re.fullmatch(self.pattern, name):
            return "is too long or has a character that the datastore forbids"
        if name.lower() in {each.lower() for each in self.reserved}:
            return "belongs to the server"
        return ""


class Privileges(_Data):
    """What can be granted on a database and everywhere; ``rules`` matches further ones."""

    on_database: list[str] = Field(default_factory=list)
    everywhere: list[str] = Field(default_factory=list)
    rules: str = ""


class Definition(_Data):
    """One datastore, as the control plane knows it. ``package`` is where its driver lives."""

    name: str
    title: str
    maturity: Maturity
    versions: dict[str, VersionDefinition]
    port: int
    server_user: str
    root_name: str
    volume_kinds: list[str]
    capabilities: frozenset[Capability]
    booleans: dict[str, str]
    units: dict[str, float] = Field(default_factory=dict)
    times: dict[str, float] = Field(default_factory=dict)
    database_names: Names | None = None
    user_names: Names | None = None
    character_sets: bool = False
    privileges: Privileges = Privileges()
    package: str = ""
    folder: Path = Path()

    def can(self, capability: Capability) -> bool:
        return capability in self.capabilities

    @cached_property
    def cloud_config(self) -> str:
        """What its machines are told beside what all are: a part of cloud-config, often none."""
        path = self.folder / "cloud-config.yaml"
        return path.read_text() if path.exists() else ""

    @cached_property
    def parameters(self) -> dict[str, Parameter]:
        """Every configuration parameter by name, and by the older names that it goes by."""
        rows = _read(self.folder / "parameters.yaml")
        parameters = [Parameter.model_validate(row) for row in rows]
        known = {each.name: each for each in parameters}
        return known | {alias: each for each in parameters for alias in each.aliases}

    def canonical(self, name: str, value: Any) -> str:
        """*value* as the server itself would show it; an unknown parameter's stays as it is."""
        parameter = self.parameters.get(name)
        if parameter is None:
            return str(value)
        return parameter.canonical(value, self.booleans, self.units, self.times)


Definitions = dict[str, Definition]


def read_definition(folder: Path, package: str) -> Definition:
    """The definition in *folder*. Raises pydantic.ValidationError, OSError."""
    raw = _read(folder / "datastore.yaml")
    return Definition.model_validate(raw | {"package": package, "folder": folder})


def default_version(definition: Definition) -> str:
    """The newest version that the driver can run."""
    return max(definition.versions, key=lambda v: [int(part) for part in v.split(".")])


def _read(path: Path) -> Any:
    return CSafeLoader(path.read_text()).get_single_data()


def by_name(definitions: Iterable[Definition]) -> Definitions:
    return {each.name: each for each in definitions}
