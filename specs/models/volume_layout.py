"""Kind VolumeLayout: several volumes for one instance, by what is on them.

It answers ocata-extended-filesystems. An instance that names none has one volume.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator

from specs.models.document import Document, Model
from specs.models.instance import Volume


class KindOfVolume(Volume):
    """One of the volumes. ``gitrove datastores`` tells which kinds a datastore has."""

    kind: str = Field(description="What is on it: data, binlog, wal, user_log, root.")


class VolumeLayoutSpec(Model):
    """The volumes; data is always one of them."""

    volumes: list[KindOfVolume] = Field(min_length=1)

    @field_validator("volumes")
    @classmethod
    def _one_of_each(cls, volumes: list[KindOfVolume]) -> list[KindOfVolume]:
        kinds = [each.kind for each in volumes]
        if "data" not in kinds:
            raise ValueError("there is no volume of the kind data")
        if twice := next((kind for kind in kinds if kinds.count(kind) > 1), None):
            raise ValueError(f"there are two volumes of the kind {twice}")
        return volumes


class VolumeLayout(Document):
    """A named set of volumes, which several instances can have."""

    kind: Literal["VolumeLayout"]
    spec: VolumeLayoutSpec
