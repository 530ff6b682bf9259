"""A stream on its way to a storage and back: compressed, encrypted, cut into segments.

zstd, then AES-256-GCM in frames, then objects of a bounded size; memory does
not grow with the stream. A frame's nonce is a random prefix, its number, and
whether it is the last (the STREAM construction of Hoang, Reyhanitabar, Rogaway
and Vizár), so frames cannot be altered, reordered, repeated, or cut off.
"""

from __future__ import annotations

import hashlib
import queue
import secrets
import struct
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import IO, Protocol

from guest_agent.contract.backup import Segment
from guest_agent.contract.errors import GuestError
from guest_agent.toolkit.storage import Storage

KEY_BYTES = 32
_FRAME = 1 << 20
_SEGMENT = 8 << 20
_PREFIX_BYTES = 7
_TAG_BYTES = 16
_LENGTH = struct.Struct(">I")
# Level 3 makes dumps a few per cent smaller and takes half as long again.
_LEVEL = 1
# One worker of zstd compresses while this process reads and encrypts.
_THREADS = 1
_JOB = 2 << 20


class Damaged(GuestError):
    """What was stored is not what was written, or the key is another one."""


class Source(Protocol):
    """What is read from: a pipe, a file."""

    def read(self, size: int, /) -> bytes: ...


def store(
    source: Source,
    storage: Storage,
    folder: str,
    key: bytes,
    progress: Callable[[int, int], None] = lambda _raw, _stored: None,
) -> tuple[list[Segment], int, int]:
    """Store all of *source* as objects in *folder*: its segments, raw and stored bytes.

    *progress* is told the bytes that were read and written so far. Reading and
    compressing go on while a segment is encrypted and written.
    """
    raw = [0]

    def counted() -> Iterator[bytes]:
        while data := source.read(_FRAME):
            raw[0] += len(data)
            yield data

    segments: list[Segment] = []
    stored = 0
    ahead = _ahead(_gathered(_compressed(counted()), _FRAME))
    for data in _gathered(_frames(ahead, key), _SEGMENT):
        name = f"{folder}/{len(segments):06d}"
        storage.put(name, data)
        segments.append(Segment(name, len(data), hashlib.sha256(data).hexdigest()))
        stored += len(data)
        progress(raw[0], stored)
    return segments, raw[0], stored


def check(segments: Iterable[Segment], storage: Storage) -> None:
    """Read every object and compare its digest. Raises Damaged or Missing."""
    for segment in segments:
        _read(segment, storage)


def fetch(segments: Iterable[Segment], storage: Storage, key: bytes, sink: IO[bytes]) -> int:
    """Write what *segments* hold into *sink*; the bytes written. Raises Damaged or Missing."""
    written = 0
    for data in _decompressed(_opened((_read(each, storage) for each in segments), key)):
        sink.write(data)
        written += len(data)
    return written


def _read(segment: Segment, storage: Storage) -> bytes:
    data = storage.get(segment.name)
    if hashlib.sha256(data).hexdigest() != segment.sha256:
        raise Damaged(f"the object {segment.name} is damaged: its digest is another")
    return data


def _compressed(chunks: Iterable[bytes]) -> Iterator[bytes]:
    import zstandard

    parameters = zstandard.ZstdCompressionParameters.from_level(
        _LEVEL, threads=_THREADS, job_size=_JOB
    )
    compressor = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    for chunk in chunks:
        if data := compressor.compress(chunk):
            yield data
    yield compressor.flush()


def _decompressed(chunks: Iterable[bytes]) -> Iterator[bytes]:
    import zstandard

    decompressor = zstandard.ZstdDecompressor().decompressobj()
    try:
        for chunk in chunks:
            yield decompressor.decompress(chunk)
    except zstandard.ZstdError as error:
        raise Damaged(f"the data cannot be decompressed: {error}") from None
    if not decompressor.eof:
        raise Damaged("the data ends too early")


def _frames(chunks: Iterable[bytes], key: bytes) -> Iterator[bytes]:
    """The prefix, then each frame behind its length."""
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    cipher, prefix = AESGCM(key), secrets.token_bytes(_PREFIX_BYTES)
    yield prefix
    number, waiting = 0, None
    for chunk in _gathered(chunks, _FRAME):
        if waiting is not None:
            yield _framed(cipher.encrypt(_nonce(prefix, number, last=False), waiting, None))
            number += 1
        waiting = chunk
    yield _framed(cipher.encrypt(_nonce(prefix, number, last=True), waiting or b"", None))


def _opened(pieces: Iterable[bytes], key: bytes) -> Iterator[bytes]:
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    cipher = AESGCM(key)
    stream = _Joined(pieces)
    prefix = stream.take(_PREFIX_BYTES)
    number, last = 0, False
    while not last:
        (length,) = _LENGTH.unpack(stream.take(_LENGTH.size))
        if length > _FRAME + _TAG_BYTES:
            raise Damaged("a frame is longer than any that is written")
        frame = stream.take(length)
        last = stream.at_end()
        try:
            yield cipher.decrypt(_nonce(prefix, number, last), frame, None)
        except InvalidTag:
            raise Damaged("the data was altered, cut off, or sealed with another key") from None
        number += 1


def _nonce(prefix: bytes, number: int, last: bool) -> bytes:
    return prefix + _LENGTH.pack(number) + bytes([last])


def _framed(data: bytes) -> bytes:
    return _LENGTH.pack(len(data)) + data


def _gathered(chunks: Iterable[bytes], size: int) -> Iterator[bytes]:
    """The same bytes in pieces of *size*, the last one shorter."""
    held = bytearray()
    for chunk in chunks:
        if not held and len(chunk) == size:
            yield chunk
            continue
        held += chunk
        while len(held) >= size:
            with memoryview(held) as view:
                piece = bytes(view[:size])
            del held[:size]
            yield piece
    if held:
        yield bytes(held)


class _Joined:
    """Takes exact numbers of bytes out of pieces."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces = iter(pieces)
        self._held = bytearray()

    def take(self, size: int) -> bytes:
        self._fill(size)
        if len(self._held) < size:
            raise Damaged("the data ends too early")
        taken = bytes(self._held[:size])
        del self._held[:size]
        return taken

    def at_end(self) -> bool:
        self._fill(1)
        return not self._held

    def _fill(self, size: int) -> None:
        while len(self._held) < size:
            piece = next(self._pieces, None)
            if piece is None:
                return
            self._held += piece


def _ahead(chunks: Iterable[bytes], most: int = 4) -> Iterator[bytes]:
    """The same chunks, made by a thread of their own up to *most* ahead of what is taken."""
    made: queue.Queue[bytes | BaseException | None] = queue.Queue(most)
    stopped = threading.Event()

    def offer(item: bytes | BaseException | None) -> bool:
        while not stopped.is_set():
            try:
                made.put(item, timeout=0.5)
                return True
            except queue.Full:
                continue
        return False

    def make() -> None:
        try:
            for chunk in chunks:
                if not offer(chunk):
                    return
            offer(None)
        except BaseException as error:  # noqa: BLE001 - it is raised where the chunks are taken
            offer(error)

    thread = threading.Thread(target=make, daemon=True)
    thread.start()
    try:
        while (item := made.get()) is not None:
            if isinstance(item, BaseException):
                raise item
            yield item
    finally:
        stopped.set()
        thread.join()
