"""What Prometheus is told: rounds, health, reachability, backups, archives."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from planners.observed import CloudState, Observed, StoredBackup
from planners.planning import reports_by_address
from reconciler.journal.resources import Resource, Resources
from reconciler.loop.controller import Figures

if TYPE_CHECKING:
    from reconciler.loop.daemon import Daemon

_LABELS = ("project", "instance")


class DaemonCollector(Collector):
    """Tells what *daemon* saw last; the clouds are not asked again."""

    def __init__(self, daemon: Daemon, clock: Callable[[], float]) -> None:
        self._daemon = daemon
        self._clock = clock

    def collect(self) -> Iterator[Metric]:
        now = self._clock()
        controllers = [each.controller for each in self._daemon.followers]
        yield from rounds({c.name: c.figures for c in controllers}, now)
        yield from resources(Resources(self._daemon.journal).read().values())
        observed = merged(c.view.observed for c in controllers if c.view is not None)
        yield from fleet(observed, now)

    def describe(self) -> Iterator[Metric]:
        """Nothing is looked at only to register."""
        yield from ()


def merged(parts: Iterable[Observed]) -> Observed:
    """What several sources saw, each piece once, though they may look at the same cloud."""
    every = list(parts)
    servers = {each.id: each for part in every for each in part.cloud.servers}
    ports = {each.id: each for part in every for each in part.cloud.ports}
    stored = {each.id: each for part in every for each in part.backups}
    return Observed(
        cloud=CloudState(servers=list(servers.values()), ports=list(ports.values())),
        guests={guest: report for part in every for guest, report in part.guests.items()},
        backups=list(stored.values()),
    )


def fleet(observed: Observed, now: float) -> Iterator[Metric]:
    """Everything of the instances themselves."""
    yield from guests(observed)
    yield from backups(observed, now)
    yield from archives(observed, now)


def rounds(figures: Mapping[str, Figures], now: float) -> Iterator[Metric]:
    """Of each source: how long the newest round took, how long ago it was, what came of it."""
    labels = ("source",)
    seconds = GaugeMetricFamily(
        "gitrove_reconcile_seconds", "How long the newest round took.", labels=labels
    )
    lag = GaugeMetricFamily(
        "gitrove_reconcile_lag_seconds", "Since the newest round ended.", labels=labels
    )
    planned = GaugeMetricFamily(
        "gitrove_plan_actions", "Actions in the newest plan.", labels=labels
    )
    done = CounterMetricFamily("gitrove_rounds", "Rounds since the start.", labels=labels)
    results = CounterMetricFamily(
        "gitrove_actions", "Ends of actions.", labels=("source", "step", "result")
    )
    for source, told in figures.items():
        done.add_metric((source,), told.rounds)
        planned.add_metric((source,), told.planned)
        if told.rounds:
            seconds.add_metric((source,), told.seconds)
            lag.add_metric((source,), now - told.ended)
        for (step, state), count in sorted(told.results.items()):
            results.add_metric((source, step, state), count)
    yield from (seconds, lag, planned, done, results)


def resources(every: Iterable[Resource]) -> Iterator[Metric]:
    """How many are how, and which differ from what is declared."""
    counts = GaugeMetricFamily(
        "gitrove_resources", "Resources by health.", labels=("project", "health")
    )
    drift = _gauge("gitrove_pending_actions", "What differs from the declared state, and waits.")
    found: Counter[tuple[str, str]] = Counter()
    for each in every:
        project, _, name = each.address.partition("/")
        found[project, str(each.health)] += 1
        drift.add_metric((project, name), each.pending)
    for key, count in sorted(found.items()):
        counts.add_metric(key, count)
    yield from (counts, drift)


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
