"""The keys that open messages to this guest: the one in use, and one that is to follow it.

A new key is offered under the old one and takes its place with the first
message that it opens, so that a control plane which ends between the two can
go on with either.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from guest_agent.contract.errors import Refused
from guest_agent.sealing import NotGenuine, is_key, open_sealed


class KeyRing:
    """``save`` gets the key in use and the one that follows (or nothing) whenever they change."""

    def __init__(self, key: str, following: str, save: Callable[[str, str], None]) -> None:
        self._key = key
        self._following = following
        self._save = save
        self._lock = threading.Lock()

    def open(self, token: bytes) -> tuple[bytes, str]:
        """The plain text of *token*, and the key to seal the answer with. Raises NotGenuine."""
        with self._lock:
            try:
                return open_sealed(token, self._key), self._key
            except NotGenuine:
                if not self._following:
                    raise
            plain = open_sealed(token, self._following)
            self._save(self._following, "")
            self._key, self._following = self._following, ""
            return plain, self._key

    def follow_with(self, key: str) -> None:
        """Open messages with *key* too, and with it alone from the first one that it opens."""
        if not is_key(key):
            raise Refused("that is not a key")
        with self._lock:
            self._save(self._key, key)
            self._following = key
