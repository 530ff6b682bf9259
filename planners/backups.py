"""The backups that a storage holds, and how one leads to another."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from planners.observed import StoredBackup


class NoChain(Exception):
    """A backup cannot be restored; the text says why."""


def chain(backup: StoredBackup, stored: Iterable[StoredBackup]) -> list[StoredBackup]:
    """The full backup that *backup* builds on, what follows it, and *backup*. Raises NoChain."""
    by_id = {each.id: each for each in stored}
    links = [backup]
    while links[0].parent:
        parent = by_id.get(links[0].parent)
        if parent is None:
            raise NoChain(f"{links[0].name} follows a backup that is missing from the storage")
        if parent in links:
            raise NoChain(f"{links[0].name} follows itself")
        links.insert(0, parent)
    for each in links:
        if not each.complete:
            raise NoChain(f"{each.name} is not complete")
    return links


def newest(
    stored: Iterable[StoredBackup], instance: str, storage: str | None = None
) -> StoredBackup | None:
    """The newest complete backup of the instance with this managed id, in one storage or any."""
    complete = (
        each
        for each in stored
        if each.instance == instance and each.complete and storage in (None, each.storage)
    )
    return max(complete, key=lambda each: each.finished, default=None)


def children(backup: StoredBackup, stored: Iterable[StoredBackup]) -> Iterator[StoredBackup]:
    """The backups that follow *backup* directly."""
    return (each for each in stored if each.parent == backup.id)
