"""Documents by the content of the file they were read from: only changes are parsed."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import msgspec

from specs.models import KINDS, Document


class FileCache:
    """One JSON file: content hash to documents. A damaged or older one counts as empty.

    *version* changes whenever a document could be read differently.
    """

    def __init__(self, path: Path, version: str) -> None:
        self._path = path
        self._version = version
        self._known = _load(path, version)
        self._used: dict[str, msgspec.Raw] = {}
        self._changed = False

    def get(self, data: bytes) -> list[Document] | None:
        key = _key(data)
        raw = self._known.get(key)
        if raw is None:
            return None
        self._used[key] = raw
        rows = msgspec.json.decode(raw, type=list[tuple[str, msgspec.Raw]])
        return [KINDS[kind].model_validate_json(bytes(row)) for kind, row in rows]

    def put(self, data: bytes, documents: list[Document]) -> None:
        rows = [(type(d).__name__, msgspec.Raw(_json(d))) for d in documents]
        self._used[_key(data)] = msgspec.Raw(msgspec.json.encode(rows))
        self._changed = True

    def save(self) -> None:
        """Write what was used, if it changed. A cache that cannot be written does no harm."""
        if not self._changed and len(self._used) == len(self._known):
            return
        scratch = self._path.with_suffix(f".{os.getpid()}")
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            scratch.write_bytes(msgspec.json.encode((self._version, self._used)))
            os.replace(scratch, self._path)
        except OSError:
            scratch.unlink(missing_ok=True)


def _json(document: Document) -> bytes:
    return document.model_dump_json(by_alias=True, exclude_unset=True).encode()


def _load(path: Path, version: str) -> dict[str, msgspec.Raw]:
    try:
        raw = path.read_bytes()
        found, known = msgspec.json.decode(raw, type=tuple[str, dict[str, msgspec.Raw]])
    except (OSError, msgspec.DecodeError, msgspec.ValidationError):
        return {}
    return known if found == version else {}


def _key(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
