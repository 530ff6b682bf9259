"""Which backups may go: what no rule keeps and nothing kept builds on; never the last good one."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from datetime import UTC, datetime

from planners.observed import StoredBackup
from specs.models.backup_schedule import Retention

_DAY = 86_400.0

Period = Callable[[datetime], object]
_PERIODS: dict[str, Period] = {
    "daily": lambda when: when.date(),
    "weekly": lambda when: when.isocalendar()[:2],
    "monthly": lambda when: (when.year, when.month),
    "yearly": lambda when: when.year,
}


def expired(
    backups: Collection[StoredBackup], retention: Retention, now: float
) -> list[StoredBackup]:
    """Those of one instance's *backups* that may be deleted, in the order in which they can be.

    A rule keeps; what none keeps goes, unless a kept one builds on it. The newest
    complete backup always stays. One that is not complete goes once a newer one is.
    """
    complete = sorted((b for b in backups if b.complete), key=lambda b: b.finished)
    if not complete:
        return []
    kept = {complete[-1].id}
    if retention.count is None and retention.days is None and not _tiers(retention):
        kept |= {b.id for b in complete}
    if retention.count is not None:
        kept |= {b.id for b in complete[len(complete) - retention.count :]}
    if retention.days is not None:
        kept |= {b.id for b in complete if b.finished > now - retention.days * _DAY}
    for name, most in _tiers(retention).items():
        kept |= {b.id for b in _newest_of_each(complete, _PERIODS[name], most)}
    stale = [b for b in backups if not b.complete and b.began < complete[-1].began]
    # Of the others one may be running: it will need what it follows.
    kept |= {b.id for b in backups if not b.complete} - {b.id for b in stale}
    kept |= _ancestors(kept, backups)
    gone = [b for b in complete if b.id not in kept]
    # What builds on another is deleted before it.
    return [*stale, *sorted(gone, key=lambda b: -b.finished)]


def _tiers(retention: Retention) -> dict[str, int]:
    wished = {name: getattr(retention, name) for name in _PERIODS}
    return {name: most for name, most in wished.items() if most is not None}


def _newest_of_each(
    complete: list[StoredBackup], period: Period, most: int
) -> Iterator[StoredBackup]:
    """The newest backup of each of the last *most* periods that have one."""
    newest: dict[object, StoredBackup] = {}
    for backup in complete:
        newest[period(datetime.fromtimestamp(backup.finished, UTC))] = backup
    yield from list(newest.values())[-most:] if most else []


def _ancestors(ids: set[str], backups: Collection[StoredBackup]) -> set[str]:
    parents = {b.id: b.parent for b in backups}
    found = set()
    for each in ids:
        while (each := parents.get(each, "")) and each not in found:
            found.add(each)
    return found
