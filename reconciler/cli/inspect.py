"""Commands that only look: status, show, history, credentials, ping, quota."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from reconciler.cli.shared import (
    FAILURE,
    Directory,
    Instance,
    Output,
    OutputOption,
    console,
    errors_explained,
    fail,
    open_journal,
    open_workspace,
    print_json,
    print_table,
    resolve,
    table,
)
from reconciler.moments import utc

if TYPE_CHECKING:
    from planners.case import Found
    from planners.observed import Observed
    from reconciler.journal.journal import Journal
    from reconciler.workspace import Workspace
    from specs.desired import Address


def status(
    watch: Annotated[
        bool, typer.Option("--watch", "-w", help="Look again and again, until Ctrl-C.")
    ] = False,
    every: Annotated[float, typer.Option(min=0.5, help="Seconds between looks.")] = 3.0,
    directory: Directory = Path(),
    output: OutputOption = Output.TEXT,
) -> None:
    """List every instance with its health, and what a daemon says of the repository."""
    with errors_explained():
        workspace = open_workspace(directory, worktree=True)
        with open_journal(workspace) as journal:
            if watch:
                _watch(lambda: _status(workspace, journal), every)
                return
            rows, problems = _status(workspace, journal)
    if output is Output.JSON:
        print_json(rows)
        return
    for problem in problems:
        console().print(f"[red]{problem}[/]")
    print_table(rows, _NOTHING)


_NOTHING = "No instances are declared, and none exist."
_Status = tuple[list[dict[str, Any]], list[str]]


def _status(workspace: Workspace, journal: Journal) -> _Status:
    """Rows, and what keeps a daemon from a newer commit."""
    from reconciler import fleet
    from reconciler.journal.resources import Resources

    resources = Resources(journal)
    known = resources.read()
    rows = fleet.rows(workspace.desired, _look(workspace, journal), journal.latest_faults(), known)
    return rows, [f"{s.name}: {s.problem}" for s in resources.sources() if s.problem]


def _watch(look: Callable[[], _Status], every: float) -> None:
    import time

    from rich.console import Group
    from rich.live import Live
    from rich.text import Text

    with Live(console=console(), refresh_per_second=4) as live:
        try:
            while True:
                rows, problems = look()
                shown = table(rows) if rows else Text(_NOTHING)
                live.update(Group(*(Text(each, "red") for each in problems), shown))
                time.sleep(every)
        except KeyboardInterrupt:
            return


def show(
    instance: Annotated[str, typer.Argument(help="Name, project/name or id of the instance.")] = "",
    deleted: Annotated[
        bool, typer.Option("--deleted", help="What was deleted: this instance, or all.")
    ] = False,
    directory: Directory = Path(),
    output: OutputOption = Output.TEXT,
) -> None:
    """Show one instance: what it is, what is in it, and what went wrong last."""
    from reconciler import fleet

    if deleted:
        _show_deleted(instance, directory, output)
        return
    if not instance:
        raise fail("name an instance; gitrove status lists them")
    with errors_explained():
        workspace = open_workspace(directory, worktree=True)
        with open_journal(workspace) as journal:
            observed = _look(workspace, journal)
            address, found = _find(instance, workspace, observed)
            faults = journal.faults(str(address))
            shown = fleet.details(address, found, observed, faults, workspace.actor.admin)
            shown["rootHistory"] = [_when(r["enabled"]) for r in journal.root_history(str(address))]
    if output is Output.JSON:
        print_json(shown)
        return
    _print_tree(shown)


def _show_deleted(instance: str, directory: Path, output: Output) -> None:
    with errors_explained():
        workspace = open_workspace(directory, worktree=True)
        with open_journal(workspace) as journal:
            rows = journal.deleted()
    chosen = [
        {
            "instance": row["address"],
            "id": row["instance"],
            "created": utc(row["created"]),
            "deleted": utc(row["deleted_at"]) if row["deleted_at"] else "",
        }
        for row in rows
        if instance in ("", row["address"], row["address"].partition("/")[2], row["instance"])
    ]
    if output is Output.JSON:
        print_json(chosen)
        return
    print_table(chosen, "Nothing of that name was deleted." if instance else "Nothing was deleted.")


def history(
    instance: Annotated[str, typer.Argument(help="Only this instance; default: all runs.")] = "",
    run: Annotated[str, typer.Option(help="Every action of one run, by its id.")] = "",
    limit: Annotated[int, typer.Option(min=1, help="How many, the newest first.")] = 20,
    directory: Directory = Path(),
    output: OutputOption = Output.TEXT,
) -> None:
    """List what was done: runs, or the actions of one instance or run."""
    from specs.desired import Address

    with errors_explained():
        workspace = open_workspace(directory, worktree=True)
        with open_journal(workspace) as journal:
            if run:
                found = [r["id"] for r in journal.runs(10_000) if r["id"].startswith(run)]
                if len(found) != 1:
                    raise fail(f'{"several runs" if found else "no run"} "{run}"')
                rows = journal.run_entries(found[0])
            elif instance:
                known = {Address.parse(a): "" for a in journal.records()}
                rows = journal.entries(str(resolve(instance, known)), limit)
            else:
                rows = journal.runs(limit)
    rows = [_readable(row) for row in rows]
    if output is Output.JSON:
        print_json(rows)
        return
    print_table(rows, "Nothing was done yet.")


def credentials(
    instance: Instance,
    user: Annotated[str, typer.Option(help="Only this user.")] = "",
    directory: Directory = Path(),
    output: OutputOption = Output.TEXT,
) -> None:
    """Print how to connect: address, users and their passwords. Mind who is watching."""
    from reconciler import logins

    with errors_explained():
        workspace = open_workspace(directory)
        _require(workspace, instance)
        with open_journal(workspace) as journal:
            observed = _look(workspace, journal)
        address, found = _find(instance, workspace, observed)
        rows = logins.rows(workspace.desired, workspace.key, address, found)
    rows = [row for row in rows if user in ("", row["user"])]
    if output is Output.JSON:
        print_json(rows)
        return
    print_table(rows, f"{address} has no users.")


def ping(instance: Instance, directory: Directory = Path()) -> None:
    """Ask a guest for a sign of life, with one sealed message."""
    import time

    with errors_explained():
        workspace = open_workspace(directory, worktree=True)
        with open_journal(workspace) as journal:
            observed = _look_at_cloud(workspace, journal)
        address, found = _find(instance, workspace, observed)
        endpoint = workspace.cloud.endpoint(found.id)
        if endpoint is None:
            raise fail(f"{address} has no server")
        began = time.monotonic()
        workspace.guests.call(endpoint, "ping")
    console().print(
        f"{address} answers from {endpoint.address} in {time.monotonic() - began:.3f} s"
    )


def quota(directory: Directory = Path(), output: OutputOption = Output.TEXT) -> None:
    """Show what each project uses of its quota."""
    from reconciler import fleet

    with errors_explained():
        workspace = open_workspace(directory, worktree=True)
        with open_journal(workspace) as journal:
            observed = _look_at_cloud(workspace, journal)
        rows = fleet.quota_rows(workspace.desired, observed)
    if output is Output.JSON:
        print_json(rows)
        return
    print_table(rows, "No project has instances or a quota.")


def _look(workspace: Workspace, journal: Journal) -> Observed:
    from reconciler.observation import observe

    return observe(workspace.cloud, workspace.guests, journal, workspace.stores)


def _look_at_cloud(workspace: Workspace, journal: Journal) -> Observed:
    from planners.observed import Observed

    return Observed(cloud=workspace.cloud.observe(), records=journal.records())


def _find(text: str, workspace: Workspace, observed: Observed) -> tuple[Address, Found]:
    from planners.case import NOTHING
    from planners.planning import reports_by_address
    from specs.desired import Address

    pieces = {address: found for address, found, _ in reports_by_address(observed)}
    recorded = map(Address.parse, observed.records)
    known = dict.fromkeys([*workspace.desired.instances, *recorded], "")
    address = resolve(text, {**known, **{a: found.id for a, found in pieces.items()}})
    return address, pieces.get(address, NOTHING)


def _require(workspace: Workspace, instance: str) -> None:
    from policy.access import Access

    policy = workspace.revision.settings.policy
    access = Access(workspace.root / policy.rules if policy.rules else None)
    for address in workspace.desired.instances:
        if instance not in (str(address), address.name):
            continue
        if not access.allows("instance:extension:user:show", address.project, workspace.actor):
            print_to = console(stderr=True)
            print_to.print(f"[red]{workspace.actor.name} may not see the users of {address}[/]")
            raise typer.Exit(FAILURE)


def _when(seconds: float | None) -> str:
    return "" if seconds is None else utc(seconds)


def _readable(row: dict[str, Any]) -> dict[str, Any]:
    times = ("started", "ended", "at", "created")
    shown = {key: _when(value) if key in times else value for key, value in row.items()}
    for key in ("revision", "plan", "run", "id"):
        if isinstance(shown.get(key), str):
            shown[key] = shown[key][:12]
    return shown


def _print_tree(value: dict[str, Any], indent: int = 0) -> None:
    from rich.markup import escape

    out = console()
    pad = " " * indent
    for key, inner in value.items():
        if isinstance(inner, dict):
            out.print(f"{pad}[bold]{escape(key)}[/]")
            _print_tree(inner, indent + 2)
        elif isinstance(inner, list):
            out.print(f"{pad}[bold]{escape(key)}[/] {'' if inner else '-'}")
            for each in inner:
                if isinstance(each, dict):
                    line = "  ".join(f"{k}: {v}" for k, v in each.items() if v not in ("", [], {}))
                    out.print(f"{pad}  {escape(line)}")
                else:
                    out.print(f"{pad}  {escape(str(each))}")
        else:
            out.print(f"{pad}[bold]{escape(key)}[/] {escape(str(inner))}")
