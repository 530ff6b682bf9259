"""Kind Datastore: which versions of a datastore the operator offers, and to whom.

It answers liberty-datastore-registration-api, kilo-datastore-visibility,
kilo-associate-flavors-datastores and newton-datastore-version-volume-type-support.
Without such a document a datastore offers the versions of its definition to all.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from specs.models.document import Document, Model, Name

Visibility = Literal["public", "private", "unlisted", "deprecated"]


class Version(Model):
    """One version on offer."""

    name: str
    image: str = Field(default="", description="Default: <datastore>-<version>.")
    packages: list[str] = Field(default_factory=list)
    active: bool = Field(default=True, description="Whether instances may be created from it.")
    visibility: Visibility = "public"
    members: list[Name] = Field(
        default_factory=list, description="Projects that may use a private version."
    )
    flavors: list[str] = Field(default_factory=list, description="Allowed flavors; empty: all.")
    volume_types: list[str] = Field(
        default_factory=list, description="Allowed volume types; empty: all."
    )


class DatastoreSpec(Model):
    """The versions on offer."""

    manager: Name | None = Field(
        default=None, description="The datastore definition to use; default: the same name."
    )
    default_version: str | None = None
    versions: list[Version] = Field(min_length=1)


class Datastore(Document):
    """A registered datastore."""

    kind: Literal["Datastore"]
    spec: DatastoreSpec
