"""How a sealed token goes over a stream: its length in four bytes, big-endian, then itself."""

from __future__ import annotations

import struct
from collections.abc import Callable

from guest_agent.contract import messages


def frame(token: bytes) -> bytes:
    """*token* as it goes over the wire. Raises ValueError when it is over MAX_FRAME bytes."""
    if len(token) > messages.MAX_FRAME:
        raise ValueError(f"a frame of {len(token)} bytes is too large")
    return struct.pack(">I", len(token)) + token


def read_frame(read: Callable[[int], bytes]) -> bytes:
    """One frame from *read*. Raises ValueError for one that is cut short or too large."""
    header = read(4)
    if len(header) < 4:
        raise ValueError("the frame is cut short")
    (length,) = struct.unpack(">I", header)
    if length > messages.MAX_FRAME:
        raise ValueError(f"a frame of {length} bytes is too large")
    token = read(length)
    if len(token) < length:
        raise ValueError("the frame is cut short")
    return token
