"""Whether who acts still may, asked before each effect of an action and not only at its start.

An action can take long: one whose controller is paused in the middle of it must
not go on when another controller has its project by then.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

Permit = Callable[[], None]
"""Raises Refused when it has ended."""


def free() -> None:
    """The permit of who needs none."""


_present: ContextVar[Permit] = ContextVar("permit", default=free)


@contextmanager
def acting_by(permit: Permit) -> Iterator[None]:
    """What this thread does in the body, it does by *permit*."""
    before = _present.set(permit)
    try:
        yield
    finally:
        _present.reset(before)


def check() -> None:
    """Raises Refused when the permit of what this thread does has ended."""
    _present.get()()
