"""``gitrove schedule`` and ``gitrove daemon``: backups at their times."""

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

from reconciler.cli.shared import (
    Directory,
    Output,
    OutputOption,
    errors_explained,
    fail,
    open_journal,
    open_workspace,
    print_json,
    print_table,
)
from reconciler.moments import utc

if TYPE_CHECKING:
    from executors.engine import Stop
    from reconciler.journal.journal import Journal
    from reconciler.scheduling import Scheduler
    from reconciler.watching import Watch
    from reconciler.workspace import Workspace

log = logging.getLogger("gitrove")

app = typer.Typer(no_args_is_help=True, help="List backup schedules and what they did.")

Schedule = Annotated[str, typer.Argument(help="The schedule's name.")]


@app.command("list")
def list_schedules(directory: Directory = Path(), output: OutputOption = Output.TEXT) -> None:
    """List the declared schedules with their next time."""
    from planners.schedules import next_time, targets

    with errors_explained():
        workspace = open_workspace(directory)
        desired = workspace.desired
        rows = []
        for address, schedule in sorted(desired.schedules.items()):
            following = next_time(schedule, time.time()) if schedule.spec.enabled else None
            rows.append(
                {
                    "name": str(address),
                    "cron": schedule.spec.cron,
                    "time zone": schedule.spec.time_zone,
                    "next (UTC)": utc(following) if following else "disabled",
                    "instances": ", ".join(t.name for t in targets(address, schedule, desired)),
                }
            )
    if output is Output.JSON:
        print_json(rows)
        return
    print_table(rows, "No schedules are declared.")


@app.command()
def executions(
    name: Annotated[str, typer.Argument(help="Only this schedule.")] = "",
    limit: Annotated[int, typer.Option(min=1, help="How many, the newest first.")] = 20,
    directory: Directory = Path(),
    output: OutputOption = Output.TEXT,
) -> None:
    """List what schedules did, with state and output."""
    from reconciler.journal.executions import Executions

    with errors_explained():
        workspace = open_workspace(directory)
        with open_journal(workspace) as journal:
            wanted = _address(name, workspace) if name else ""
            rows = Executions(journal).rows(wanted, limit)
    shown = [
        {
            "schedule": row["schedule"],
            "instance": row["instance"],
            "due (UTC)": utc(row["due"]),
            "state": row["state"],
            "took": f"{row['ended'] - row['began']:.1f} s" if row["ended"] else "",
            "backup": row["backup"],
            "output": row["output"],
        }
        for row in rows
    ]
    if output is Output.JSON:
        print_json(shown)
        return
    print_table(shown, "No schedule has run yet.")


@app.command()
def run(name: Schedule, directory: Directory = Path()) -> None:
    """Take the backups of a schedule now, whatever its time."""
    from executors.engine import Stop
    from planners.schedules import Due, targets
    from reconciler.journal.executions import ERROR, Executions

    with errors_explained():
        workspace = open_workspace(directory)
        address = next(
            (a for a in workspace.desired.schedules if str(a) == _address(name, workspace)), None
        )
        assert address is not None
        with open_journal(workspace) as journal:
            scheduler = _scheduler(workspace, journal, Stop())
            now = time.time()
            schedule = workspace.desired.schedules[address]
            wanted = targets(address, schedule, workspace.desired)
            numbers = Executions(journal)
            begun = {d: numbers.begin(d) for d in (Due(address, i, now) for i in wanted)}
            scheduler.run(begun)
            rows = [r for r in numbers.rows(str(address), len(begun)) if r["id"] in begun.values()]
    for row in reversed(rows):
        typer.echo(f"{row['state']} {row['instance']} {row['backup']}: {row['output']}")
    if any(row["state"] == ERROR for row in rows):
        raise typer.Exit(1)


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
        return observe(workspace.cloud, workspace.guests, journal, workspace.storage)

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
    scheduler = _scheduler(workspace, journal, stop)
    begun = scheduler.begin(time.time())
    if begun:
        log.info("%d backups are due", len(begun))
        jobs.add_job(lambda: _take(scheduler, begun), misfire_grace_time=None)


def _take(scheduler: Scheduler, begun: dict[Any, int]) -> None:
    from reconciler.journal.executions import ERROR

    try:
        scheduler.run(begun)
    except Exception as error:  # noqa: BLE001 - it is recorded where people look
        log.error("%s: %s", type(error).__name__, error)
        for number in begun.values():
            scheduler.executions.end(number, ERROR, output=str(error))


def _scheduler(workspace: Workspace, journal: Journal, stop: Stop) -> Scheduler:
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
    )


def _address(name: str, workspace: Workspace) -> str:
    from specs.problems import suggestion

    known = list(workspace.desired.schedules)
    found = [a for a in known if name in (a.name, str(a))]
    if len(found) != 1:
        hint = suggestion(name, [a.name for a in known])
        raise fail(f'{"several schedules" if found else "no schedule"} "{name}"{hint}')
    return str(found[0])
