"""The messages between control plane and guest, before they are sealed.

One connection carries one request and one response, each a frame: a length of
four bytes, big-endian, then a sealed token (see ``guest_agent.sealing``).
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, fields
from typing import Any, TypeVar

VERSION = 1
MAX_FRAME = 8 << 20
PORT = 4279
"""The agent's TCP port on the instance's own address."""


_Message = TypeVar("_Message")


class MalformedMessage(ValueError):
    """The plain text is not a message of this contract."""


def speaks(theirs: int, ours: int = VERSION) -> bool:
    """Whether a peer of version *theirs* is at most one release older or newer."""
    return abs(theirs - ours) <= 1


@dataclass(frozen=True, slots=True)
class Request:
    """Ask *instance* to run *method*; ``sent_at`` is seconds since the epoch."""

    instance: str
    method: str
    message_id: str
    sent_at: float
    params: dict[str, Any] = field(default_factory=dict)
    version: int = VERSION


@dataclass(frozen=True, slots=True)
class Response:
    """The answer to the request ``message_id``: a result, or the kind of an error and its text."""

    message_id: str
    result: Any = None
    error: str = ""
    message: str = ""
    details: str = ""
    version: int = VERSION


def encode(message: Request | Response) -> bytes:
    return json.dumps(asdict(message), separators=(",", ":")).encode()


def decode_request(raw: bytes) -> Request:
    """Raises MalformedMessage. Unknown fields are ignored, so that a newer peer is understood."""
    return _decode(raw, Request)


def decode_response(raw: bytes) -> Response:
    """Raises MalformedMessage. Unknown fields are ignored, so that a newer peer is understood."""
    return _decode(raw, Response)


def _decode(raw: bytes, kind: type[_Message]) -> _Message:
    try:
        document = json.loads(raw)
        names = {each.name for each in fields(kind)}  # type: ignore[arg-type]
        known = {k: v for k, v in document.items() if k in names}
        return kind(**known)
    except (ValueError, TypeError, AttributeError) as error:
        raise MalformedMessage(f"not a {kind.__name__.lower()}: {error}") from None
