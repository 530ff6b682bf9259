"""``gitrove sync``, ``suspend``, ``resume``: what people ask of a running daemon."""

from __future__ import annotations

import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from reconciler.cli.shared import (
    Directory,
    console,
    errors_explained,
    fail,
    open_journal,
    open_workspace,
)

if TYPE_CHECKING:
    from reconciler.journal.journal import Journal
    from reconciler.journal.resources import Resource
    from reconciler.workspace import Workspace

Subjects = Annotated[
    list[str] | None, typer.Argument(help="Projects, or instances by name or project/name.")
]
Source = Annotated[
    str,
    typer.Option(help="As the daemon was given it; default: this folder, or its only one."),
]
_PAUSE = 0.3


def sync(
    subjects: Subjects = None,
    source: Source = "",
    accept: Annotated[
        str, typer.Option(help="Take this commit although it rewrites history; see the status.")
    ] = "",
    wait: Annotated[bool, typer.Option(help="Until it is done.")] = True,
    timeout: Annotated[float, typer.Option(min=1, help="Seconds to wait.")] = 600.0,
    directory: Directory = Path(),
) -> None:
    """Have the daemon apply the newest commit now, whatever its mode; not what is suspended."""
    from reconciler.journal.requests import ACCEPT, SYNC, Requests

    with errors_explained():
        workspace = open_workspace(directory)
        with open_journal(workspace) as journal:
            controllers = _daemons(journal)
            named = " ".join(_subject(each, workspace, journal) for each in subjects or [])
            kind, subject = (ACCEPT, accept) if accept else (SYNC, named)
            requests = Requests(journal)
            name = _source(source, workspace, journal)
            actor = workspace.actor.name
            made = {requests.make(name, kind, subject, actor, c): c for c in controllers}
            if not wait:
                return
            limit = time.monotonic() + timeout
            for number, controller in made.items():
                outcome = _wait_for(partial(_answer, journal, number, controller), limit)
                if outcome is None:
                    raise fail(f"no daemon that follows {name} answered in {timeout:.0f} s")
                console().print(outcome)
            if kind == SYNC:
                _wait_for(lambda: not _progressing(journal, name, named) or None, limit)
                _tell(journal, name, named)


def suspend(
    subjects: Annotated[
        list[str], typer.Argument(help="Projects, or instances by name or project/name.")
    ],
    reason: Annotated[str, typer.Option(help="Why, for those who wonder.")] = "",
    lasting: Annotated[
        str, typer.Option("--for", help="How long, such as 90m, 4h, 2d; default: until resume.")
    ] = "",
    directory: Directory = Path(),
) -> None:
    """Have the daemon leave instances or whole projects alone."""
    from reconciler.journal.requests import Requests
    from specs.models.reconciling import seconds_of

    try:
        seconds = seconds_of(lasting) if lasting else None
    except ValueError as error:
        raise fail(str(error)) from None
    with errors_explained():
        workspace = open_workspace(directory)
        with open_journal(workspace) as journal:
            for each in subjects:
                subject = _subject(each, workspace, journal)
                Requests(journal).suspend(subject, workspace.actor.name, reason, seconds)
                console().print(f"{subject} is left alone. Go on with: gitrove resume {subject}")


def resume(
    subjects: Annotated[list[str], typer.Argument(help="What was suspended.")],
    directory: Directory = Path(),
) -> None:
    """Let the daemon go on with what was suspended by gitrove suspend."""
    from reconciler.journal.requests import Requests

    with errors_explained():
        workspace = open_workspace(directory)
        with open_journal(workspace) as journal:
            for each in subjects:
                subject = _subject(each, workspace, journal)
                if not Requests(journal).resume(subject):
                    raise fail(f"{subject} is not suspended by gitrove suspend")
                console().print(f"{subject} is reconciled again.")


def _daemons(journal: Journal) -> list[str]:
    """The controllers that share this journal."""
    from reconciler.journal.leases import Leases

    found = Leases(journal, "").living()
    if not found:
        raise fail("no daemon runs with this journal; to apply now run: gitrove apply")
    return found


def _answer(journal: Journal, number: int, controller: str) -> str | None:
    """What a controller answered; of one that has ended meanwhile, that."""
    from reconciler.journal.leases import Leases
    from reconciler.journal.requests import Requests

    outcome = Requests(journal).outcome(number)
    if outcome is None and controller not in Leases(journal, "").living():
        return f"{controller} has ended; others have its projects"
    return outcome


def _source(named: str, workspace: Workspace, journal: Journal) -> str:
    """The source that is meant: as named, this folder, or the only one that is followed."""
    from reconciler.journal.resources import Resources
    from reconciler.sources import parse

    known = [each.name for each in Resources(journal).sources()]
    wanted = parse(named or str(workspace.root)).name
    if wanted in known:
        return wanted
    if not named and len(known) == 1:
        return known[0]
    raise fail(f"{wanted} is not followed; choose one with --source: {', '.join(known)}")


def _subject(text: str, workspace: Workspace, journal: Journal) -> str:
    """A project's name, or an instance's address."""
    from reconciler.cli.shared import resolve
    from reconciler.journal.resources import Resources
    from specs.desired import Address

    known = {*workspace.desired.instances, *map(Address.parse, Resources(journal).read())}
    if text in {each.project for each in known}:
        return text
    return str(resolve(text, dict.fromkeys(known, "")))


def _resources(journal: Journal, source: str, subjects: str) -> list[Resource]:
    from reconciler.journal.resources import Resources

    wanted = set(subjects.split())
    every = Resources(journal).read(source).values()
    return [r for r in every if not wanted or {r.address, r.address.partition("/")[0]} & wanted]


def _progressing(journal: Journal, source: str, subjects: str) -> bool:
    return any(each.health == "Progressing" for each in _resources(journal, source, subjects))


def _tell(journal: Journal, source: str, subjects: str) -> None:
    found = _resources(journal, source, subjects)
    ill = [each for each in found if each.health not in ("Healthy", "Suspended")]
    for each in ill:
        console().print(f"[red]{each.health}[/] {each.address}: {each.reason}")
    if ill:
        raise typer.Exit(1)
    console().print(f"{len(found)} instances are as they should be.")


def _wait_for(ask: object, limit: float) -> str | None:
    assert callable(ask)
    while time.monotonic() < limit:
        answer = ask()
        if answer is not None:
            return str(answer)
        time.sleep(_PAUSE)
    return None
