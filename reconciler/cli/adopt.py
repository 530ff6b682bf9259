"""``gitrove adopt``: what exists already becomes declared, and ours."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from reconciler.cli.apply import Yes, run_plan
from reconciler.cli.shared import (
    Directory,
    Output,
    OutputOption,
    console,
    errors_explained,
    fail,
    open_journal,
    open_workspace,
    print_json,
    print_table,
)

if TYPE_CHECKING:
    from planners.adoption import Candidate
    from planners.observed import Observed
    from reconciler.workspace import Workspace


class Source(StrEnum):
    SERVERS = "servers"
    TROVE = "trove"


def adopt(
    instances: Annotated[
        list[str], typer.Argument(help="Names, or ids of servers; default: list what could be.")
    ] = [],  # noqa: B006 - typer copies it
    source: Annotated[
        Source,
        typer.Option("--from", help="servers: with a gitrove guest. trove: what Trove manages."),
    ] = Source.SERVERS,
    specs: Annotated[
        Path | None, typer.Option(help="The new file for the specs; default: adopted.yaml.")
    ] = None,
    yes: Yes = False,
    directory: Directory = Path(),
    output: OutputOption = Output.TEXT,
) -> None:
    """Write specs of instances that exist, and mark them as this repository's."""
    from planners import adoption
    from planners.planning import plan_of
    from policy.check import Consent
    from reconciler.applying import world_of
    from reconciler.yaml_text import written_yaml

    with errors_explained():
        workspace = open_workspace(directory, worktree=True)
        project = workspace.revision.settings.defaults.project
        with open_journal(workspace) as journal:
            observed = world_of(workspace, journal).observe()
        every = _candidates(source, workspace, observed)
        if not instances:
            _list(every, output)
            return
        chosen = [_chosen(text, every) for text in instances]
        if said := adoption.unclear(chosen, observed.cloud, project):
            raise fail("; ".join(said))
        ids = adoption.ids(chosen, project, observed.records)
        path = specs or workspace.root / workspace.revision.settings.paths[0] / "adopted.yaml"
        _write(path, written_yaml(*adoption.documents(chosen, project)))
        console().print(f"Wrote the specs to {path}.")
        drafts = adoption.drafts(chosen, project, ids)
        made = plan_of(drafts, observed, workspace.revision.name, workspace.cloud_name)
        run_plan(workspace, made, yes, Consent())
        with open_journal(workspace) as journal:
            journal.learn({str(address): managed for address, managed in ids.items()})
        for each in filter(lambda each: each.note, chosen):
            console().print(f"[yellow]{each.name}:[/] {each.note}")
        console().print("Next: read the specs, commit them, and look at gitrove plan.")


def _candidates(source: Source, workspace: Workspace, observed: Observed) -> list[Candidate]:
    from planners import adoption

    if source is Source.TROVE:
        from executors import trove

        settings = workspace.cloud_settings
        if settings.driver != "openstack":
            raise fail(f"the cloud {workspace.cloud_name} is not an OpenStack")
        name = settings.cloud or workspace.cloud_name
        return trove.candidates(name, settings.region, workspace.definitions)
    ours = workspace.revision.settings.repository
    return adoption.of_other_repositories(observed, ours, workspace.definitions, workspace.key)


def _list(candidates: list[Candidate], output: Output) -> None:
    rows = [
        {
            "name": each.name,
            "of": each.origin,
            "datastore": " ".join(each.spec["datastore"].values()),
            "server": each.pieces.server,
            "note": each.refusal or each.note,
        }
        for each in sorted(candidates, key=lambda each: each.name)
    ]
    if output is Output.JSON:
        print_json(rows)
        return
    print_table(rows, "Nothing was found that could be adopted.")
    if rows:
        console().print("Adopt with: gitrove adopt NAME…")


def _chosen(text: str, candidates: list[Candidate]) -> Candidate:
    from specs.problems import suggestion

    found = [each for each in candidates if text in (each.name, each.pieces.server)]
    if len(found) > 1:
        ids = ", ".join(each.pieces.server for each in found)
        raise fail(f'several are called "{text}"; give the id of a server: {ids}')
    if not found:
        hint = suggestion(text, [each.name for each in candidates])
        raise fail(f'nothing called "{text}" can be adopted{hint}')
    return found[0]


def _write(path: Path, text: str) -> None:
    try:
        with path.open("x") as file:
            file.write(text)
    except FileExistsError:
        raise fail(f"{path} exists already; name another file with --specs") from None
    except OSError as error:
        raise fail(f"cannot write {path}: {error.strerror}") from None
