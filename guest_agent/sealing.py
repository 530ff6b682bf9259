"""Seals and opens the frames between control plane and guest.

The Fernet recipe of ``cryptography`` (AES-128-CBC with HMAC-SHA256) under the
key of one instance. A token that is stale, from the future, tampered with or
sealed with another key does not open. What the recipe does not refuse, a token
heard before, the guest's ``ReplayGuard`` does.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from cryptography.fernet import Fernet, InvalidToken

TIME_TO_LIVE = 60
"""Seconds for which a sealed message is good."""


class NotGenuine(Exception):
    """The token was not sealed with this key, was altered, is stale, or was heard before."""


def is_key(text: str) -> bool:
    """Whether *text* can be a key: URL-safe base64 of 32 bytes."""
    try:
        Fernet(text)
    except ValueError:
        return False
    return True


def seal(plain: bytes, key: str) -> bytes:
    return Fernet(key).encrypt(plain)


def open_sealed(token: bytes, key: str) -> bytes:
    """The plain text of *token*. Raises NotGenuine."""
    try:
        return Fernet(key).decrypt(token, ttl=TIME_TO_LIVE)
    except InvalidToken:
        raise NotGenuine("the message is stale, altered, or sealed with another key") from None


class ReplayGuard:
    """Remembers the message ids of one time-to-live and refuses what was heard, or is older.

    What was sent before the guard began is refused too: an agent that restarts
    has forgotten what it heard.
    """

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._began = clock()
        self._heard: dict[str, float] = {}
        self._lock = threading.Lock()

    def admit(self, message_id: str, sent_at: float) -> None:
        """Raises NotGenuine for a message that must not run."""
        now = self._clock()
        with self._lock:
            for old in [m for m, at in self._heard.items() if at < now - 2 * TIME_TO_LIVE]:
                del self._heard[old]
            if not max(self._began, now - TIME_TO_LIVE) <= sent_at <= now + TIME_TO_LIVE:
                raise NotGenuine("the message is stale")
            if message_id in self._heard:
                raise NotGenuine("the message was heard before")
            self._heard[message_id] = now
