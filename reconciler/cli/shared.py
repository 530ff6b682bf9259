"""What the commands share: opening a repository, printing, and errors that say what to do."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from reconciler.journal.journal import Journal
    from reconciler.workspace import Workspace
    from specs.desired import Address

FAILURE = 1
CHANGES = 2
_PIPE_WIDTH = 240


class Output(StrEnum):
    TEXT = "text"
    JSON = "json"


Directory = Annotated[
    Path, typer.Option("--directory", "-C", help="The repository; default: here or above.")
]
Revision = Annotated[
    str, typer.Option("--revision", "-r", help="The Git commit, branch or tag to read.")
]
Worktree = Annotated[
    bool, typer.Option("--worktree", "-w", help="Read the files as they are, committed or not.")
]
OutputOption = Annotated[Output, typer.Option("--output", help="How to print.")]
Instance = Annotated[str, typer.Argument(help="Name, project/name or id of the instance.")]


def console(stderr: bool = False) -> Console:
    from rich.console import Console

    out = Console(stderr=stderr, highlight=False, soft_wrap=True)
    return (
        out
        if out.is_terminal
        else Console(stderr=stderr, highlight=False, soft_wrap=True, width=_PIPE_WIDTH)
    )


def print_table(rows: list[dict[str, Any]], empty: str) -> None:
    """Rows with the same keys as a table, or *empty* where there are none."""
    if not rows:
        console().print(empty)
        return
    console().print(table(rows), soft_wrap=False)


def table(rows: list[dict[str, Any]]) -> Table:
    """Rows with the same keys."""
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=None, padding=(0, 2, 0, 0), show_edge=False, header_style="bold")
    for number, column in enumerate(rows[0]):
        table.add_column(column[:1].upper() + column[1:], overflow="fold", no_wrap=number == 0)
    for row in rows:
        table.add_row(*(escape(str(cell)) for cell in row.values()))
    return table


def print_json(value: Any) -> None:
    import json

    typer.echo(json.dumps(value, indent=2, default=str))


def fail(message: str) -> typer.Exit:
    """Print *message* as an error; raise what this returns."""
    from rich.markup import escape

    console(stderr=True).print(f"[bold red]Error:[/] {escape(message)}")
    return typer.Exit(FAILURE)


@contextlib.contextmanager
def errors_explained() -> Iterator[None]:
    """Turns what can go wrong on a user's side into one clear error and exit status 1."""
    from executors.errors import ActionError
    from executors.keys import KeyFileError
    from reconciler.applying import Blocked, Stale
    from reconciler.catalogue import BadDefinition
    from reconciler.journal.journal import JournalError
    from reconciler.locks import Locked
    from specs.problems import SpecProblems
    from specs.revision import RevisionError

    try:
        yield
    except SpecProblems as error:
        print_problems(error.problems)
        raise typer.Exit(FAILURE) from None
    except ActionError as error:
        raise fail(error.message) from None
    except (
        RevisionError, KeyFileError, JournalError, BadDefinition, Locked, Stale, Blocked
    ) as error:  # fmt: skip
        raise fail(str(error)) from None
    except PermissionError as error:
        hint = "set GITROVE_HOME to a folder of yours"
        raise fail(f"no permission for {error.filename}; {hint}") from None


def print_problems(problems: Any) -> None:
    from rich.markup import escape

    out = console(stderr=True)
    colours = {"error": "red", "warning": "yellow"}
    for problem in problems:
        head, _, rest = problem.render().partition("\n")
        out.print(f"[{colours[problem.severity]}]{problem.severity}[/] {escape(head)}")
        if rest:
            out.print(rest, markup=False, style="dim")
    count = sum(problem.severity == "error" for problem in problems)
    if count:
        out.print(f"[red]{count} mistake{'s' if count > 1 else ''} found; nothing was changed.[/]")


def open_workspace(directory: Path, revision: str = "HEAD", worktree: bool = False) -> Workspace:
    """The repository at a revision. Raises RevisionError, SpecProblems."""
    from reconciler.workspace import Workspace, find_root
    from specs.revision import read_commit, read_working_tree

    root = find_root(directory)
    chosen = read_working_tree(root) if worktree else read_commit(root, revision)
    if chosen.dirty:
        console(stderr=True).print(
            "[yellow]Uncommitted changes are not part of this; --worktree would include them.[/]"
        )
    return Workspace(root, chosen)


@contextlib.contextmanager
def open_journal(workspace: Workspace) -> Iterator[Journal]:
    from reconciler import places
    from reconciler.journal.journal import Journal

    url = workspace.revision.settings.journal.url or places.journal_url()
    places.make_home()
    journal = Journal(url, notify=bool(workspace.revision.settings.notifications))
    try:
        yield journal
    finally:
        journal.close()


def notify(workspace: Workspace, journal: Journal) -> None:
    """What cannot be delivered waits for the next apply, or the daemon."""
    if not workspace.revision.settings.notifications:
        return
    from reconciler.notifications.delivery import deliver, ways

    for name, fault in deliver(journal, ways(workspace)).items():
        console(stderr=True).print(f"[yellow]Notifications to {name} wait:[/] {fault}")


def resolve(text: str, known: dict[Address, str]) -> Address:
    """The one address that *text* names, by name, project/name or managed id."""
    from specs.problems import suggestion

    exact = [a for a, managed_id in known.items() if text in (str(a), managed_id)]
    matches = exact or [a for a in known if a.name == text]
    if len(matches) == 1:
        return matches[0]
    if matches:
        choices = ", ".join(str(each) for each in matches)
        raise fail(f'"{text}" is in several projects: {choices}; say which')
    names = {str(a) for a in known} | {a.name for a in known}
    raise fail(f'no instance "{text}"{suggestion(text, names)}')
