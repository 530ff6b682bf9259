"""The files of a log archive in a storage: each a sealed stream, with a list of its segments."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import IO

from guest_agent.contract.backup import Segment
from guest_agent.toolkit.sealed_stream import Damaged, fetch, store
from guest_agent.toolkit.storage import Storage

_SUFFIX = ".json"


def store_log(path: Path, storage: Storage, folder: str, key: bytes) -> None:
    """Store the file at *path* under its name. It counts once its list is there."""
    with path.open("rb") as stream:
        segments, _, _ = store(stream, storage, f"{folder}/{path.name}", key)
    told = json.dumps([asdict(each) for each in segments])
    storage.put(f"{folder}/{path.name}{_SUFFIX}", told.encode())


def files_in(objects: Iterable[str], folder: str) -> dict[str, list[str]]:
    """The whole files in *folder* by name, each with its objects, its list first."""
    made: dict[str, list[str]] = {}
    for name in objects:
        made.setdefault(name.removeprefix(f"{folder}/").partition("/")[0], []).append(name)
    return {
        (file := told.removesuffix(_SUFFIX)): [*own, *made.get(file, ())]
        for told, own in made.items()
        if told.endswith(_SUFFIX)
    }


def fetch_log(name: str, storage: Storage, folder: str, key: bytes, sink: IO[bytes]) -> None:
    """Write the file *name* into *sink*. Raises Damaged or Missing."""
    raw = storage.get(f"{folder}/{name}{_SUFFIX}")
    try:
        segments = [Segment(**each) for each in json.loads(raw)]
    except (ValueError, TypeError):
        raise Damaged(f"the list of the archived file {name} is damaged") from None
    fetch(segments, storage, key, sink)
