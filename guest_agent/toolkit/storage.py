"""Where backups are kept: whole objects by name, in a folder or another store.

An object is there whole or not at all, and never changes. Names are paths with
``/``; what is listed comes sorted.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Any, Protocol

from guest_agent.contract.errors import GuestError, TryLater


class Missing(GuestError):
    """There is no object of that name."""


class Storage(Protocol):
    """One store. All methods raise GuestError; TryLater where trying again may help."""

    def put(self, name: str, data: bytes) -> None: ...

    def get(self, name: str) -> bytes:
        """Raises Missing."""
        ...

    def names(self, prefix: str) -> list[str]:
        """The names that begin with *prefix*."""
        ...

    def delete(self, name: str) -> None:
        """What is gone already is fine."""
        ...


def open_storage(settings: dict[str, Any]) -> Storage:
    """The storage that *settings* describe: ``{"driver": "directory", "path": …}``."""
    if settings.get("driver") == "directory":
        return Directory(Path(settings["path"]))
    raise GuestError(f"unknown storage driver {settings.get('driver')!r}")


class Directory:
    """Objects as files below a folder."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def put(self, name: str, data: bytes) -> None:
        path = self._path(name)
        scratch = path.with_name(f".{path.name}.{os.getpid()}")
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            descriptor = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(descriptor, "wb") as stream:
                stream.write(data)
                stream.flush()
                os.fsync(stream.fileno())
            os.replace(scratch, path)
        except OSError as error:
            with contextlib.suppress(OSError):
                scratch.unlink()
            raise GuestError(f"the storage cannot be written: {error.strerror}: {path}") from None

    def get(self, name: str) -> bytes:
        try:
            return self._path(name).read_bytes()
        except FileNotFoundError:
            raise Missing(f"the storage has no object {name}") from None
        except OSError as error:
            raise TryLater(f"the storage cannot be read: {error.strerror}: {name}") from None

    def names(self, prefix: str) -> list[str]:
        folder = self._root / prefix.rpartition("/")[0]
        try:
            found = (p.relative_to(self._root).as_posix() for p in folder.rglob("*") if _whole(p))
            return sorted(name for name in found if name.startswith(prefix))
        except OSError as error:
            raise TryLater(f"the storage cannot be listed: {error.strerror}: {folder}") from None

    def delete(self, name: str) -> None:
        path = self._path(name)
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise TryLater(f"the storage cannot delete {name}: {error.strerror}") from None
        with contextlib.suppress(OSError):
            for folder in path.parents:
                if folder == self._root:
                    break
                folder.rmdir()  # Only an empty one can be removed.

    def _path(self, name: str) -> Path:
        path = self._root / name
        if ".." in path.parts:
            raise GuestError(f"{name!r} is not the name of an object")
        return path


def _whole(path: Path) -> bool:
    return path.is_file() and not path.name.startswith(".")
