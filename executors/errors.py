"""Why an action did not succeed.

ActionError
├── Passing     worth another attempt: the cloud is busy, the guest does not answer yet
└── Failed      no attempt will help; a person has to look
Refused         who acts may not do so any more; what came of the action is another's to find
"""

from __future__ import annotations


class ActionError(Exception):
    """``details`` are for administrators; neither text holds a secret."""

    def __init__(self, message: str, details: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.details = details


class Passing(ActionError):
    """May succeed when it is tried again, after ``wait`` seconds at the earliest."""

    def __init__(self, message: str, details: str = "", wait: float = 0.0) -> None:
        super().__init__(message, details)
        self.wait = wait


class Failed(ActionError):
    """Will not succeed by trying again."""


class Refused(Exception):
    """Nothing more may be started, or done; the text says why."""
