"""A storage whose objects are files below a folder."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from guest_agent.contract.errors import GuestError, TryLater
from guest_agent.toolkit.storage import Missing


class Directory:
    """See ``guest_agent.toolkit.storage.Storage``."""

    def __init__(self, root: Path) -> None:
        self.root = root

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

    def delete(self, name: str) -> None:
        path = self._path(name)
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise TryLater(f"the storage cannot delete {name}: {error.strerror}") from None
        with contextlib.suppress(OSError):
            for folder in path.parents:
                if folder == self.root:
                    break
                folder.rmdir()  # Only an empty one can be removed.

    def _path(self, name: str) -> Path:
        path = self.root / name
        if ".." in path.parts:
            raise GuestError(f"{name!r} is not the name of an object")
        return path
