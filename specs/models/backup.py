"""Kind Backup: one backup of an instance, taken once and kept while it is declared."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from specs.models.document import Document, Model, Name


class BackupSpec(Model):
    """What to back up."""

    instance: Name = Field(description="An instance of the same project.")
    incremental: bool = Field(
        default=False, description="Only what changed since the newest backup of the instance."
    )
    storage: Name | None = Field(
        default=None, description="One of backups.storages in gitrove.yaml; default: its own place."
    )


class Backup(Document):
    """A backup; removed from Git, it is deleted from the storage."""

    kind: Literal["Backup"]
    spec: BackupSpec
