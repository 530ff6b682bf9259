"""One frozen model per kind."""

from __future__ import annotations

from specs.models.backup import Backup
from specs.models.backup_schedule import BackupSchedule
from specs.models.configuration_group import ConfigurationGroup
from specs.models.datastore import Datastore
from specs.models.document import Document
from specs.models.instance import Instance
from specs.models.quota import Quota
from specs.models.volume_layout import VolumeLayout

KINDS: dict[str, type[Document]] = {
    "Datastore": Datastore,
    "Instance": Instance,
    "ConfigurationGroup": ConfigurationGroup,
    "Quota": Quota,
    "Backup": Backup,
    "BackupSchedule": BackupSchedule,
    "VolumeLayout": VolumeLayout,
}

__all__ = [
    "KINDS",
    "Backup",
    "BackupSchedule",
    "ConfigurationGroup",
    "Datastore",
    "Document",
    "Instance",
    "Quota",
    "VolumeLayout",
]
