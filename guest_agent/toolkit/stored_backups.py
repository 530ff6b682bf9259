"""What guests and the control plane both do with the backups in a storage."""

from __future__ import annotations

from guest_agent.contract import backup as contract
from guest_agent.contract.backup import Backup
from guest_agent.toolkit.storage import Storage


def erase(backup: Backup, storage: Storage) -> None:
    """Delete everything of *backup*, its manifest first, so that no half of one looks whole."""
    storage.delete(f"{backup.index}/{contract.MANIFEST}")
    for prefix in (backup.folder, backup.index):
        for name in storage.names(prefix + "/"):
            storage.delete(name)
