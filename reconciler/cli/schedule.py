"""``gitrove schedule``: the schedules, what they did, and one of them now."""

from __future__ import annotations

import logging
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from reconciler.cli.shared import (
    Directory,
    Output,
    OutputOption,
    errors_explained,
    fail,
    notify,
    open_journal,
    open_workspace,
    print_json,
    print_table,
)
from reconciler.moments import utc

if TYPE_CHECKING:
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
    from reconciler.loop.followers import scheduler_of

    with errors_explained():
        workspace = open_workspace(directory)
        address = next(
            (a for a in workspace.desired.schedules if str(a) == _address(name, workspace)), None
        )
        assert address is not None
        with open_journal(workspace) as journal:
            scheduler = scheduler_of(workspace, journal, Stop())
            now = time.time()
            schedule = workspace.desired.schedules[address]
            wanted = targets(address, schedule, workspace.desired)
            numbers = Executions(journal)
            begun = {d: numbers.begin(d) for d in (Due(address, i, now) for i in wanted)}
            scheduler.run(begun)
            notify(workspace, journal)
            rows = [r for r in numbers.rows(str(address), len(begun)) if r["id"] in begun.values()]
    for row in reversed(rows):
        typer.echo(f"{row['state']} {row['instance']} {row['backup']}: {row['output']}")
    if any(row["state"] == ERROR for row in rows):
        raise typer.Exit(1)


def _address(name: str, workspace: Workspace) -> str:
    from specs.problems import suggestion

    known = list(workspace.desired.schedules)
    found = [a for a in known if name in (a.name, str(a))]
    if len(found) != 1:
        hint = suggestion(name, [a.name for a in known])
        raise fail(f'{"several schedules" if found else "no schedule"} "{name}"{hint}')
    return str(found[0])
