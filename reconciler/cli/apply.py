"""``gitrove apply`` and ``destroy``: plan, ask, execute, look again."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from reconciler.cli import plan as planning
from reconciler.cli.plan import AllowMassDestroy, Target
from reconciler.cli.shared import (
    FAILURE,
    Directory,
    Output,
    Revision,
    Worktree,
    console,
    errors_explained,
    fail,
    notify,
    open_journal,
    open_workspace,
)

if TYPE_CHECKING:
    from executors.engine import Entry, Outcome, Stop
    from planners.plan import Plan
    from policy.check import Consent
    from reconciler.journal.journal import Journal
    from reconciler.workspace import Workspace

Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
_ROUNDS = 5


def apply(
    saved: Annotated[
        Path | None, typer.Argument(help="A plan of gitrove plan -o; default: plan now.")
    ] = None,
    directory: Directory = Path(),
    revision: Revision = "HEAD",
    worktree: Worktree = False,
    target: Target = [],  # noqa: B006
    yes: Yes = False,
    allow_mass_destroy: AllowMassDestroy = False,
) -> None:
    """Make the databases what the repository declares."""
    from policy.check import Consent

    consent = Consent(mass_destroy=allow_mass_destroy)
    with errors_explained():
        if saved is not None:
            _apply_saved(saved, directory, yes, consent)
            return
        workspace = open_workspace(directory, revision, worktree)
        converge(workspace, target, yes, consent)


def destroy(directory: Directory = Path(), target: Target = [], yes: Yes = False) -> None:  # noqa: B006
    """Remove every instance of this repository's projects, with their data."""
    from policy.check import Consent
    from specs.desired import Desired

    with errors_explained():
        workspace = open_workspace(directory)
        protected = [str(a) for a, i in workspace.desired.instances.items() if _protected(i)]
        if protected:
            raise fail(f"lifecycle.preventDestroy protects {', '.join(protected)}")
        workspace.kept_projects = {a.project for a in workspace.desired.instances}
        workspace.desired = Desired(revision=workspace.revision.name)
        converge(workspace, target, yes, Consent(mass_destroy=True, tearing_down=True))


def _protected(instance: Any) -> bool:
    return bool(instance.spec.lifecycle.prevent_destroy)


def _apply_saved(saved: Path, directory: Path, yes: bool, consent: Consent) -> None:
    from planners.plan import decode
    from specs.revision import WORKING_TREE

    try:
        made = decode(saved.read_bytes())
    except (OSError, ValueError) as error:
        raise fail(f"{saved} is not a saved plan: {error}") from None
    worktree = made.revision == WORKING_TREE
    workspace = open_workspace(directory, made.revision or "HEAD", worktree)
    if made.cloud != workspace.cloud_name:
        raise fail(f"the plan is for the cloud {made.cloud}, not {workspace.cloud_name}")
    run_plan(workspace, made, yes, consent)


def run_plan(workspace: Workspace, made: Plan, yes: bool, consent: Consent) -> None:
    """Show one plan, ask, and run it."""
    with open_journal(workspace) as journal:
        _approve(workspace, made, yes, consent, journal)
        _finish(_run(workspace, made, journal))


def converge(workspace: Workspace, target: list[str], yes: bool, consent: Consent) -> None:
    """Plan and apply until the plan is empty; each further plan is shown and asked for again."""
    from reconciler.applying import world_of
    from reconciler.observation import learn

    with open_journal(workspace) as journal:
        world = world_of(workspace, journal)
        for _ in range(_ROUNDS):
            observed = world.observe()
            made = planning.make(workspace, observed, target)
            _approve(workspace, made, yes, consent, journal)
            if not made.actions:
                learn(journal, observed)
                return
            _finish(_run(workspace, made, journal))
    raise fail(f"the plan is still not empty after {_ROUNDS} rounds; see gitrove history")


def _approve(
    workspace: Workspace, made: Plan, yes: bool, consent: Consent, journal: Journal
) -> None:
    from reconciler.deciding import judge

    verdict = judge(workspace, made, consent)
    planning.show(made, verdict, Output.TEXT)
    if made.obstacles or not verdict.allowed:
        raise typer.Exit(FAILURE)
    _require_approvals(workspace, made, journal)
    if made.actions and not yes:
        typer.confirm("Apply this plan?", abort=True)


def _require_approvals(workspace: Workspace, made: Plan, journal: Journal) -> None:
    if not workspace.revision.settings.policy.approvals:
        return
    from reconciler.consent import trust_of, unapproved
    from reconciler.journal.approvals import Approvals

    trust = trust_of(workspace, workspace.root, "")
    missing = unapproved(made, workspace, trust, Approvals(journal))
    if missing:
        address, why = next(iter(missing.items()))
        more = f" (and {len(missing) - 1} more)" if len(missing) > 1 else ""
        raise fail(f"{address}{more}: {why}")


def _run(workspace: Workspace, made: Plan, journal: Journal) -> Outcome:
    from executors.engine import Stop
    from reconciler.applying import apply as execute
    from reconciler.applying import world_of

    stop = Stop()
    world = world_of(workspace, journal)
    concurrency = workspace.revision.settings.concurrency
    try:
        with _interruptible(stop), _progress(made) as (progress, tell):
            return execute(made, world, workspace.actor.name, concurrency, stop, progress, tell)
    finally:
        notify(workspace, journal)


def _finish(outcome: Outcome) -> None:
    out = console()
    done, failed, skipped = len(outcome.done), len(outcome.failed), len(outcome.skipped)
    if outcome.succeeded:
        out.print(f"[green]Applied:[/] {done} action{'' if done == 1 else 's'} done.\n")
        return
    out.print(
        f"[red]Not everything was applied:[/] {done} done, {failed} failed, {skipped} skipped."
    )
    if outcome.failed:
        out.print("See what went wrong, then run apply again:")
        for address in sorted({entry.action.address for entry in outcome.failed}):
            out.print(f"  gitrove show {address}")
    else:
        why = outcome.refused or "it was stopped"
        out.print(f"{why[0].upper()}{why[1:]}; run apply again to go on.")
    raise typer.Exit(FAILURE)


@contextmanager
def _interruptible(stop: Stop) -> Iterator[None]:
    """Ctrl-C once lets running actions finish; twice ends the program at once."""

    def interrupted(_signal: int, _frame: Any) -> None:
        if stop.asked:
            os._exit(130)
        stop.ask()
        console(stderr=True).print(
            "\n[yellow]Stopping when the running actions are done; Ctrl-C again to end at once.[/]"
        )

    before = signal.signal(signal.SIGINT, interrupted)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def _progress(made: Plan) -> Iterator[tuple[Any, Any]]:
    """Callbacks that show each entry, and how what runs on an instance does.

    Lines for what ended, a bar for the rest.
    """
    from rich.markup import escape
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    from executors.engine import State
    from reconciler.rendering import words

    out = console()
    columns = (BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    bar = Progress(*columns, TextColumn("{task.description}"), console=out, transient=True)
    started: dict[str, float] = {}
    told: dict[str, str] = {}
    instances = {action.id: action.step.instance for action in made.actions}
    colours = {State.DONE: "green", State.FAILED: "red", State.SKIPPED: "dim"}

    def show(entry: Entry) -> None:
        action = entry.action
        if entry.state is State.STARTED:
            started[action.id] = time.monotonic()
        else:
            begun = started.pop(action.id, None)
            took = f" [dim]({time.monotonic() - begun:.1f} s)[/]" if begun is not None else ""
            what = escape(f"{action.address}: {words(action)}")
            why = escape(f": {entry.message}") if entry.message else ""
            word = f"[{colours[entry.state]}]{entry.state}[/]"
            out.print(f"  {word} {what}{took}{why}")
            bar.advance(task)
        describe()

    def tell(instance: str, text: str) -> None:
        told[instance] = text
        describe()

    def describe() -> None:
        running = [f"{each} {told.get(instances[each], '')}".strip() for each in list(started)[:2]]
        text = ", ".join(running) + (" …" if len(started) > 2 else "")
        bar.update(task, description=escape(text))

    with bar:
        task = bar.add_task("", total=len(made.actions))
        yield show, tell
