"""``gitrove plan``, ``graph`` and ``observe``: everything up to, but not, changing something."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from reconciler.cli.shared import (
    CHANGES,
    FAILURE,
    Directory,
    Output,
    Revision,
    Worktree,
    console,
    errors_explained,
    fail,
    open_journal,
    open_workspace,
)

if TYPE_CHECKING:
    from planners.observed import Observed
    from planners.plan import Plan
    from policy.verdict import Verdict
    from reconciler.workspace import Workspace

Target = Annotated[
    list[str], typer.Option("--target", "-t", help="Only these instances; may be repeated.")
]
AllowMassDestroy = Annotated[
    bool, typer.Option("--allow-mass-destroy", help="Accept that much of a project is destroyed.")
]
Snapshot = Annotated[
    Path | None, typer.Option(help="Plan against a snapshot of gitrove observe; asks no cloud.")
]


class Shape(StrEnum):
    TEXT = "text"
    JSON = "json"
    MARKDOWN = "markdown"


class GraphFormat(StrEnum):
    MERMAID = "mermaid"
    DOT = "dot"


def plan(
    directory: Directory = Path(),
    revision: Revision = "HEAD",
    worktree: Worktree = False,
    target: Target = [],  # noqa: B006 - typer copies it
    snapshot: Snapshot = None,
    save: Annotated[
        Path | None, typer.Option("-o", "--out", help="Save the plan for gitrove apply.")
    ] = None,
    detailed_exitcode: Annotated[
        bool, typer.Option(help="Exit with 0: no changes, 2: changes, 1: error.")
    ] = False,
    allow_mass_destroy: AllowMassDestroy = False,
    base: Annotated[
        str,
        typer.Option(help="With markdown: leave out what this commit or branch plans as well."),
    ] = "",
    output: Annotated[
        Shape,
        typer.Option(
            "--output", "--format", help="How to print; markdown is a comment for a pull request."
        ),
    ] = Shape.TEXT,
) -> None:
    """Show what apply would do, and what it would cost."""
    from planners.plan import encode
    from policy.check import Consent
    from reconciler.deciding import judge
    from reconciler.markdown import comment

    with errors_explained():
        workspace = open_workspace(directory, revision, worktree)
        observed = observed_for(workspace, snapshot)
        made = make(workspace, observed, target)
        verdict = judge(workspace, made, Consent(mass_destroy=allow_mass_destroy))
        if output is Shape.MARKDOWN:
            before = open_workspace(directory, base) if base else None
            without = make(before, observed, target) if before else None
            quotas = workspace.desired.quotas
            typer.echo(comment(made, verdict, without, quotas=quotas), nl=False)
        else:
            show(made, verdict, Output(output.value))
        if save:
            save.write_bytes(encode(made))
            console(stderr=True).print(f"Saved. Run it with: gitrove apply {save}")
    if made.obstacles or not verdict.allowed:
        raise typer.Exit(FAILURE)
    if detailed_exitcode and made.actions:
        raise typer.Exit(CHANGES)


def graph(
    directory: Directory = Path(),
    revision: Revision = "HEAD",
    worktree: Worktree = False,
    target: Target = [],  # noqa: B006
    snapshot: Snapshot = None,
    format: Annotated[GraphFormat, typer.Option("--format", "-f")] = GraphFormat.MERMAID,
) -> None:
    """Print the plan's graph, for a picture of what waits for what."""
    from reconciler import graphs

    with errors_explained():
        workspace = open_workspace(directory, revision, worktree)
        made = make(workspace, observed_for(workspace, snapshot), target)
    draw = graphs.mermaid if format is GraphFormat.MERMAID else graphs.dot
    typer.echo(draw(made), nl=False)


def observe(
    directory: Directory = Path(),
    save: Annotated[
        Path | None, typer.Option("-o", "--out", help="Where to write; default: the terminal.")
    ] = None,
) -> None:
    """Write a snapshot of what the cloud and the guests report, as JSON without secrets."""
    from planners.observed import encode

    with errors_explained():
        workspace = open_workspace(directory, worktree=True)
        raw = encode(observed_for(workspace, None))
    if save:
        save.write_bytes(raw)
        console(stderr=True).print(f"Saved. Plan against it with: gitrove plan --snapshot {save}")
    else:
        typer.echo(raw)


def observed_for(workspace: Workspace, snapshot: Path | None) -> Observed:
    """What the cloud says now, or said when *snapshot* was written."""
    from planners import observed as snapshots
    from reconciler.observation import observe as look

    if snapshot is None:
        with open_journal(workspace) as journal:
            return look(workspace.cloud, workspace.guests, journal, workspace.stores)
    try:
        return snapshots.decode(snapshot.read_bytes())
    except (OSError, ValueError) as error:
        raise fail(f"{snapshot} is not a usable snapshot: {error}") from None


def make(workspace: Workspace, observed: Observed, targets: list[str]) -> Plan:
    """The plan for what people named; see ``reconciler.deciding``."""
    from planners.planning import ids_by_address
    from reconciler.cli.shared import resolve
    from reconciler.deciding import plan_for

    known = dict.fromkeys(workspace.desired.instances, "")
    if targets:
        known |= ids_by_address(observed)
    return plan_for(workspace, observed, {resolve(text, known) for text in targets})


def show(made: Plan, verdict: Verdict, output: Output) -> None:
    from reconciler.rendering import plan_lines

    if output is Output.JSON:
        typer.echo(_json(made, verdict))
        return
    out = console()
    for line in plan_lines(made, verdict):
        out.print(line)


def _json(made: Plan, verdict: Verdict) -> Any:
    import msgspec

    document = {
        "digest": made.digest,
        "plan": made,
        "allowed": verdict.allowed,
        "findings": verdict.findings,
    }
    return msgspec.json.format(msgspec.json.encode(document), indent=2)
