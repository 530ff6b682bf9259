"""Documents in a storage that carry a digest of themselves."""

from __future__ import annotations

import hashlib
import json
from typing import Any

_DIGEST = "sha256"


class Damaged(ValueError):
    """The document is not as it was written."""


def encode(document: dict[str, Any]) -> bytes:
    """*document* as JSON, with its digest."""
    return json.dumps(document | {_DIGEST: _digest_of(document)}, indent=1).encode()


def decode(raw: bytes) -> dict[str, Any]:
    """Raises Damaged."""
    try:
        document: dict[str, Any] = json.loads(raw)
        digest = document.pop(_DIGEST)
    except (ValueError, KeyError, TypeError, AttributeError):
        raise Damaged("its description is damaged") from None
    if digest != _digest_of(document):
        raise Damaged("its description is damaged")
    return document


def _digest_of(document: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()
