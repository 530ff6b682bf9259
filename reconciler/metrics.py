"""What Prometheus is told of the fleet: reachability, backups, archives."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from planners.observed import Observed, StoredBackup
from planners.planning import reports_by_address

_LABELS = ("project", "instance")


class FleetCollector(Collector):
    """Looks when it is asked, through *look*."""

    def __init__(self, look: Callable[[], Observed], clock: Callable[[], float]) -> None:
        self._look = look
        self._clock = clock

    def collect(self) -> Iterator[Metric]:
        observed = self._look()
        yield from guests(observed)
        yield from backups(observed, self._clock())
        yield from archives(observed, self._clock())

    def describe(self) -> Iterator[Metric]:
        """Nothing is looked at only to register."""
        yield from ()


def guests(observed: Observed) -> Iterator[Metric]:
    """Whether each guest answers, and whether its server runs."""
    answers = _gauge("gitrove_guest_up", "Whether the guest agent answers.")
    runs = _gauge("gitrove_database_up", "Whether the database server runs.")
    for address, found, report in reports_by_address(observed):
        if found.server is not None:
            answers.add_metric(address, float(report is not None))
            runs.add_metric(address, float(report is not None and report.status == "running"))
    yield from (answers, runs)


def backups(observed: Observed, now: float) -> Iterator[Metric]:
    """Of the newest complete backup of each instance: age, sizes, duration."""
    age = _gauge("gitrove_backup_age_seconds", "Since the newest complete backup ended.")
    raw = _gauge("gitrove_backup_data_bytes", "What the newest complete backup read.")
    stored = _gauge("gitrove_backup_stored_bytes", "What it takes in the storage.")
    took = _gauge("gitrove_backup_duration_seconds", "How long it took.")
    failed = _gauge("gitrove_backup_incomplete", "Backups that were begun and are not complete.")
    newest: dict[tuple[str, str], StoredBackup] = {}
    broken: dict[tuple[str, str], int] = {}
    for each in observed.backups:
        key = (each.project, each.instance_name)
        broken[key] = broken.get(key, 0) + (not each.complete)
        if each.complete and (key not in newest or newest[key].finished < each.finished):
            newest[key] = each
    for key, backup in sorted(newest.items()):
        age.add_metric(key, now - backup.finished)
        raw.add_metric(key, backup.raw_bytes)
        stored.add_metric(key, backup.stored_bytes)
        took.add_metric(key, backup.finished - backup.began)
    for key, count in sorted(broken.items()):
        failed.add_metric(key, count)
    yield from (age, raw, stored, took, failed)


def archives(observed: Observed, now: float) -> Iterator[Metric]:
    """How far each continuous archive is behind; what is not in it is lost with the volume."""
    lag = _gauge("gitrove_archive_lag_seconds", "Since what was committed last is archived.")
    fault = _gauge("gitrove_archive_fault", "Whether the archive does not go on.")
    for address, _, report in reports_by_address(observed):
        if report is not None and report.archive.enabled:
            lag.add_metric(address, now - report.archive.until)
            fault.add_metric(address, float(bool(report.archive.fault)))
    yield from (lag, fault)


def _gauge(name: str, text: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, text, labels=_LABELS)
