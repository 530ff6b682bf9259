"""What every document has: the version of the format, a kind, a name, a project."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

Name = Annotated[
    str,
    Field(
        pattern=r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$",
        description="Lower-case letters, digits and inner hyphens; 63 characters at most.",
    ),
]

API_VERSION = "gitrove/v1"


class Model(BaseModel):
    """Frozen, camelCase in YAML, and no field that it does not know."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, alias_generator=to_camel, populate_by_name=True
    )


class Metadata(Model):
    """Who the resource is."""

    name: Name
    project: Name = Field(
        default="", validate_default=False, description="Default: defaults.project in gitrove.yaml."
    )
    labels: dict[str, str] = Field(default_factory=dict)


class Document(Model):
    """One YAML document of a repository."""

    api_version: Literal["gitrove/v1"]
    metadata: Metadata
