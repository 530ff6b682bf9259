"""``gitrove daemon``: follows the repository, takes scheduled backups, delivers notifications."""

from __future__ import annotations

import gc
import logging
import signal
import threading
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from reconciler.cli.shared import Directory, errors_explained, fail, open_journal, open_workspace

if TYPE_CHECKING:
    from executors.engine import Stop
    from planners.observed import StoredBackup
    from policy.check import Consent
    from reconciler.journal.journal import Journal
    from reconciler.scheduling import Scheduler
    from reconciler.watching import Watch
    from reconciler.workspace import Workspace

log = logging.getLogger("gitrove")

_ROUNDS = 5


def daemon(
    directory: Directory = Path(),
    interval: Annotated[float, typer.Option(min=0.1, help="Seconds between looks.")] = 5.0,
    metrics: Annotated[
        str, typer.Option(help="Serve figures for Prometheus here, such as 127.0.0.1:9187.")
    ] = "",
) -> None:
    """Take scheduled backups until stopped; reads the commit HEAD before each look."""
    from apscheduler.executors.pool import ThreadPoolExecutor
    from apscheduler.schedulers.background import BackgroundScheduler

    from executors.engine import Stop
    from reconciler.journal.executions import Executions
    from reconciler.watching import Watch

    # Unlike every other command, this one lives long enough to collect garbage.
    gc.enable()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    logging.getLogger("apscheduler").setLevel(logging.ERROR)
    stop, ended = Stop(), threading.Event()
    with errors_explained():
        workspace = open_workspace(directory)
        with open_journal(workspace) as journal:
            Executions(journal).interrupt()
            watch = Watch(workspace.root)
            jobs = BackgroundScheduler(executors={"default": ThreadPoolExecutor(8)}, timezone=UTC)
            jobs.add_job(
                lambda: _look(watch, journal, stop, jobs),
                "interval",
                seconds=interval,
                next_run_time=datetime.now(UTC),
                coalesce=True,
                max_instances=1,
            )
            jobs.add_job(
                lambda: _deliver(watch, journal),
                "interval",
                seconds=interval,
                coalesce=True,
                max_instances=1,
            )
            for each in (signal.SIGTERM, signal.SIGINT):
                signal.signal(each, lambda *_: ended.set())
            jobs.start()
            log.info("watching %s", workspace.root)
            if metrics:
                _serve_metrics(metrics, watch, journal)
            ended.wait()
            log.info("ending; what runs is finished first")
            stop.ask()
            jobs.shutdown(wait=True)


def _serve_metrics(where: str, watch: Watch, journal: Journal) -> None:
    from prometheus_client import CollectorRegistry, start_http_server

    from planners.observed import Observed
    from reconciler.metrics import FleetCollector
    from reconciler.observation import observe

    def look() -> Observed:
        workspace = watch.workspace()
        if workspace is None:
            return Observed()
        return observe(workspace.cloud, workspace.guests, journal, workspace.stores)

    host, _, port = where.rpartition(":")
    registry = CollectorRegistry()
    registry.register(FleetCollector(look, time.time))
    try:
        start_http_server(int(port), host or "127.0.0.1", registry)
    except (OSError, ValueError, OverflowError) as error:
        raise fail(f"cannot serve metrics at {where}: {error}") from None
    log.info("metrics at http://%s/metrics", where)


def _look(watch: Watch, journal: Journal, stop: Stop, jobs: Any) -> None:
    """Begin what is due."""
    workspace = watch.workspace()
    if workspace is None:
        return
    scheduler = scheduler_of(workspace, journal, stop)
    begun = scheduler.begin(time.time())
    if begun:
        log.info("%d backups are due", len(begun))
        jobs.add_job(lambda: _take(scheduler, begun), misfire_grace_time=None)


def _deliver(watch: Watch, journal: Journal) -> None:
    from reconciler.notifications.delivery import deliver

    workspace = watch.workspace()
    if workspace is not None and (receivers := workspace.revision.settings.notifications):
        for name, fault in deliver(journal, receivers, workspace.root).items():
            log.warning("notifications to %s wait: %s", name, fault)


def _take(scheduler: Scheduler, begun: dict[Any, int]) -> None:
    from reconciler.journal.executions import ERROR

    try:
        scheduler.run(begun)
    except Exception as error:  # noqa: BLE001 - it is recorded where people look
        log.error("%s: %s", type(error).__name__, error)
        for number in begun.values():
            scheduler.executions.end(number, ERROR, output=str(error))


def scheduler_of(workspace: Workspace, journal: Journal, stop: Stop) -> Scheduler:
    from policy.check import Consent
    from reconciler.cli.apply import world_of
    from reconciler.cli.plan import judge
    from reconciler.journal.executions import Executions
    from reconciler.scheduling import Scheduler

    def log_end(entry: Any) -> None:
        if entry.state != "started":
            why = f": {entry.message}" if entry.message else ""
            log.info("%s %s %s%s", entry.state, entry.action.address, entry.action.item, why)

    return Scheduler(
        desired=workspace.desired,
        world=world_of(workspace, journal),
        executions=Executions(journal),
        judge=lambda plan: judge(workspace, plan, Consent()),
        concurrency=workspace.revision.settings.concurrency,
        cloud=workspace.cloud_name,
        per_host=workspace.revision.settings.backups.per_host,
        stop=stop,
        progress=log_end,
        verify=lambda backup: _verified(workspace, journal, backup, stop),
    )


def _verified(
    workspace: Workspace, journal: Journal, backup: StoredBackup, stop: Stop
) -> list[str]:
    """Raises RuntimeError, which says what keeps the backup from being restored."""
    from policy.check import Consent
    from reconciler import verification
    from reconciler.cli.apply import world_of

    def restore(wanted: Workspace, address: str) -> None:
        for _ in range(_ROUNDS):
            if not _applied(wanted, journal, address, Consent(), stop):
                return
        raise RuntimeError(f"the plan is still not empty after {_ROUNDS} rounds")

    def remove(without: Workspace, address: str) -> None:
        _applied(without, journal, address, verification.REMOVAL, stop)

    observe = world_of(workspace, journal).observe
    return verification.verify(workspace, backup, restore, remove, observe)


def _applied(
    workspace: Workspace, journal: Journal, address: str, consent: Consent, stop: Stop
) -> bool:
    """Apply the plan for *address* without a word; whether there was anything to do."""
    from reconciler.applying import apply
    from reconciler.cli.apply import world_of
    from reconciler.cli.plan import judge, make
    from reconciler.scheduling import ACTOR

    world = world_of(workspace, journal)
    plan = make(workspace, world.observe(), [address])
    verdict = judge(workspace, plan, consent)
    if plan.obstacles:
        raise RuntimeError(plan.obstacles[0].text)
    if not verdict.allowed:
        raise RuntimeError("; ".join(finding.text for finding in verdict.findings))
    if not plan.actions:
        return False
    outcome = apply(plan, world, ACTOR, workspace.revision.settings.concurrency, stop)
    if not outcome.succeeded:
        raise RuntimeError(outcome.failed[0].message if outcome.failed else "it was stopped")
    return True
