"""What is stored comes back whole, or is known to be damaged."""

from __future__ import annotations

import hashlib
import io
import random
import secrets
import tracemalloc
from dataclasses import replace
from pathlib import Path

import pytest

from guest_agent.contract.backup import Segment
from guest_agent.toolkit.directory import Directory
from guest_agent.toolkit.sealed_stream import Damaged, check, fetch, store
from guest_agent.toolkit.storage import Missing

KEY = secrets.token_bytes(32)


def data_of(size: int) -> bytes:
    return random.Random(size).randbytes(size)


def stored(data: bytes, folder: Path) -> tuple[list[Segment], Directory]:
    storage = Directory(folder)
    segments, raw, size = store(io.BytesIO(data), storage, "p/i/backups/b", KEY)
    assert raw == len(data) and size == sum(each.size for each in segments)
    return segments, storage


def fetched(segments: list[Segment], storage: Directory, key: bytes = KEY) -> bytes:
    sink = io.BytesIO()
    fetch(segments, storage, key, sink)
    return sink.getvalue()


@pytest.mark.parametrize("size", [0, 1, (1 << 20) - 1, 1 << 20, 40 << 20])
def test_what_goes_in_comes_out(size: int, tmp_path: Path) -> None:
    data = data_of(size)
    segments, storage = stored(data, tmp_path)
    check(segments, storage)
    assert fetched(segments, storage) == data


def test_nothing_of_the_data_can_be_read_in_the_storage(tmp_path: Path) -> None:
    segments, storage = stored(b"the password is hunter2 " * 1000, tmp_path)
    assert all(b"hunter2" not in storage.get(each.name) for each in segments)


def test_another_key_is_refused(tmp_path: Path) -> None:
    segments, storage = stored(data_of(5000), tmp_path)
    with pytest.raises(Damaged, match="another key"):
        fetched(segments, storage, secrets.token_bytes(32))


def test_every_altered_byte_is_found_by_the_digest_and_by_the_cipher(tmp_path: Path) -> None:
    segments, storage = stored(data_of(300), tmp_path)
    good = storage.get(segments[0].name)
    for place in range(len(good)):
        bad = good[:place] + bytes([good[place] ^ 1]) + good[place + 1 :]
        storage.put(segments[0].name, bad)
        with pytest.raises(Damaged, match="damaged"):
            check(segments, storage)
        believed = replace(segments[0], sha256=hashlib.sha256(bad).hexdigest())
        with pytest.raises(Damaged):
            fetched([believed], storage)


def test_a_stream_that_is_cut_off_or_out_of_order_is_found(tmp_path: Path) -> None:
    segments, storage = stored(data_of(40 << 20), tmp_path)
    assert len(segments) == 6
    with pytest.raises(Damaged):
        fetched(segments[:5], storage)
    with pytest.raises(Damaged):
        fetched([segments[1], segments[0], *segments[2:]], storage)
    storage.delete(segments[1].name)
    with pytest.raises(Missing):
        fetched(segments, storage)


def test_a_source_that_fails_fails_the_whole(tmp_path: Path) -> None:
    class Broken:
        def read(self, size: int, /) -> bytes:
            raise OSError("gone")

    with pytest.raises(OSError, match="gone"):
        store(Broken(), Directory(tmp_path), "p", KEY)


def test_memory_does_not_grow_with_the_stream(tmp_path: Path) -> None:
    class Endless:
        left = 200

        def read(self, size: int, /) -> bytes:
            self.left -= 1
            return secrets.token_bytes(size) if self.left >= 0 else b""

    tracemalloc.start()
    try:
        segments, raw, _ = store(Endless(), Directory(tmp_path), "p", KEY)
        assert raw == 200 << 20 and len(segments) == 26
        assert tracemalloc.get_traced_memory()[1] < 60 << 20
    finally:
        tracemalloc.stop()
