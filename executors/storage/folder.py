"""A folder of this machine, or one that is mounted on it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from executors.storage.interface import Access
from guest_agent.contract.errors import TryLater
from guest_agent.toolkit.directory import Directory


class Folder(Directory):
    """See ``executors.storage.interface.Store``. Guests on this machine use the same folder."""

    def names(self, prefix: str) -> list[str]:
        folder = self.root / prefix.rpartition("/")[0]
        try:
            found = (p.relative_to(self.root).as_posix() for p in folder.rglob("*") if _whole(p))
            return sorted(name for name in found if name.startswith(prefix))
        except OSError as error:
            raise TryLater(f"the storage cannot be listed: {error.strerror}: {folder}") from None

    def lent(self, access: Access) -> dict[str, Any]:
        return {"driver": "directory", "path": str(self.root)}


def _whole(path: Path) -> bool:
    return path.is_file() and not path.name.startswith(".")
