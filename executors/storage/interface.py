"""What the control plane does with a storage, beyond what a guest does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from guest_agent.toolkit.storage import Storage


@dataclass(frozen=True, slots=True)
class Access:
    """What a guest may do with the objects whose names begin so, for so many seconds."""

    seconds: float
    read: Sequence[str] = field(default_factory=tuple)
    write: Sequence[str] = field(default_factory=tuple)
    delete: Sequence[str] = field(default_factory=tuple)


class Store(Storage, Protocol):
    """A storage with its catalogue. Raises GuestError, TryLater where trying again may help."""

    def names(self, prefix: str) -> list[str]:
        """The names that begin with *prefix*, sorted."""
        ...

    def lent(self, access: Access) -> dict[str, Any]:
        """The settings of ``guest_agent.toolkit.storage`` by which a guest has *access*."""
        ...


Stores = Mapping[str, Store]
