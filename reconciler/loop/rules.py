"""What may be done with an instance at a time: by its mode, its suspension, windows, freezes."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from reconciler.moments import utc
from specs.cron import times
from specs.desired import Address, Desired
from specs.models.reconciling import Freeze, Mode, Reconciling, Window

_FAR = timedelta(days=366)


@dataclass(frozen=True, slots=True)
class Rules:
    """``suspended`` and ``frozen`` say why, or are empty.

    ``opens`` is when a window for interruptions begins, in seconds since the epoch; 0 when one
    is open or none is needed.
    """

    mode: Mode
    suspended: str = ""
    frozen: str = ""
    opens: float = 0.0


class Book:
    """The rules of one revision at one time. *suspended* has addresses and projects by name."""

    def __init__(
        self, settings: Reconciling, desired: Desired, suspended: Collection[str], now: float
    ) -> None:
        self._settings = settings
        self._desired = desired
        self._suspended = suspended
        self._now = now
        self._frozen = _frozen(settings.freezes, now)
        self._opens: dict[str, float] = {}

    def rules(self, address: Address) -> Rules:
        """The rules for an instance, which need not be declared any more."""
        project = self._settings.projects.get(address.project)
        instance = self._desired.instances.get(address)
        own = instance.spec.reconcile if instance else None
        mode = (own and own.mode) or (project and project.mode) or self._settings.mode
        return Rules(mode, self._why_suspended(address), self._frozen, self._opening(address))

    def _why_suspended(self, address: Address) -> str:
        project = self._settings.projects.get(address.project)
        instance = self._desired.instances.get(address)
        if str(address) in self._suspended:
            return "suspended by gitrove suspend"
        if address.project in self._suspended:
            return f"the project {address.project} is suspended by gitrove suspend"
        if instance is not None and instance.spec.reconcile.suspend:
            return "spec.reconcile.suspend"
        if project is not None and project.suspend:
            return f"reconcile.projects.{address.project}.suspend in gitrove.yaml"
        return "reconcile.suspend in gitrove.yaml" if self._settings.suspend else ""

    def _opening(self, address: Address) -> float:
        project = address.project
        if project not in self._opens:
            own = self._settings.projects.get(project)
            windows = own.windows if own and own.windows is not None else self._settings.windows
            self._opens[project] = opening(windows, self._now)
        return self._opens[project]


def opening(windows: Sequence[Window], now: float) -> float:
    """When the next of *windows* begins; 0 while one is open, and without any."""
    upcoming = []
    for window in windows:
        moment = datetime.fromtimestamp(now, UTC)
        before = moment - timedelta(seconds=window.seconds)
        first = next(times(window.cron, window.time_zone, before), None)
        if first is None or first > moment + _FAR:
            continue
        if first <= moment:
            return 0.0
        upcoming.append(first.timestamp())
    if not windows:
        return 0.0
    return min(upcoming, default=now + _FAR.total_seconds())


def _frozen(freezes: Iterable[Freeze], now: float) -> str:
    for freeze in freezes:
        if freeze.since <= now < freeze.until:
            reason = f" ({freeze.reason})" if freeze.reason else ""
            return f"frozen until {utc(freeze.until)}{reason}"
    return ""
