"""What can go wrong in a guest, as both sides name it.

GuestError                  the action failed; repeating it will not help
├── Refused                 the request is not allowed or not supported
├── BadConfiguration        the server would not start; the previous configuration is back
└── TryLater                a passing condition; repeating may help
"""

from __future__ import annotations


class GuestError(Exception):
    """An action failed in the guest. ``details`` is for administrators, without secrets."""

    def __init__(self, message: str, details: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.details = details


class Refused(GuestError):
    """The guest understood the request and will not do it."""


class BadConfiguration(GuestError):
    """The database server refused its new configuration; the previous one runs again."""


class TryLater(GuestError):
    """A passing condition, such as a server that is still starting."""


KINDS: dict[str, type[GuestError]] = {
    kind.__name__: kind for kind in (GuestError, Refused, BadConfiguration, TryLater)
}
