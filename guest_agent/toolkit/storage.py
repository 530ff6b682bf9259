"""Where backups are kept: whole objects by name, in a folder or another store.

An object is there whole or not at all. Names are paths with ``/``. A guest has no
means to list them: it is told the names that it needs.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, Protocol

from guest_agent.contract.errors import GuestError


class Missing(GuestError):
    """There is no object of that name."""


class Storage(Protocol):
    """One store. All methods raise GuestError; TryLater where trying again may help."""

    def put(self, name: str, data: bytes) -> None: ...

    def get(self, name: str) -> bytes:
        """Raises Missing."""
        ...

    def delete(self, name: str) -> None:
        """What is gone already is fine."""
        ...


def open_storage(settings: dict[str, Any]) -> Storage:
    """The storage that *settings* describe.

    ``{"driver": "directory", "path": …}``, or ``{"driver": "temporary-urls", …}``, for which see
    ``temporary_urls``. Raises GuestError for another driver.
    """
    driver = settings.get("driver")
    if driver == "directory":
        from guest_agent.toolkit.directory import Directory

        return Directory(Path(settings["path"]))
    if driver == "temporary-urls":
        from guest_agent.toolkit.temporary_urls import TemporaryUrls

        return TemporaryUrls(settings)
    raise GuestError(f"unknown storage driver {driver!r}")


def access_until(settings: dict[str, Any]) -> float:
    """When the access that *settings* give ends, in seconds since the epoch."""
    return min((grant["expires"] for grant in settings.get("grants", ())), default=math.inf)
