"""``gitrove export``: what gitrove would make, for other tools."""

from __future__ import annotations

import os
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from reconciler.cli.shared import (
    Directory,
    Revision,
    Worktree,
    console,
    errors_explained,
    fail,
    open_journal,
    open_workspace,
    resolve,
)

if TYPE_CHECKING:
    from planners.steps import Step
    from reconciler.workspace import Workspace
    from specs.desired import Address


class Format(StrEnum):
    HOT = "hot"


def export(
    instances: Annotated[
        list[str], typer.Argument(help="Names, project/names or ids; default: every instance.")
    ] = [],  # noqa: B006 - typer copies it
    format: Annotated[Format, typer.Option("--format", "-f", help="hot: a Heat template.")] = (
        Format.HOT
    ),
    environment: Annotated[
        Path | None,
        typer.Option(help="Write the hidden parameters, which are secrets, to this new file."),
    ] = None,
    directory: Directory = Path(),
    revision: Revision = "HEAD",
    worktree: Worktree = False,
) -> None:
    """Print the infrastructure of instances as a template of native OpenStack resources."""
    from executors import keys
    from executors.cloud.heat import Stack, template
    from executors.handlers import boot_of
    from reconciler.yaml_text import written_yaml

    with errors_explained():
        workspace = open_workspace(directory, revision, worktree)
        settings = workspace.cloud_settings
        if settings.driver != "openstack" or not settings.network:
            raise fail(f"the cloud {workspace.cloud_name} is not an OpenStack with a network")
        desired = workspace.desired
        known = dict.fromkeys(desired.instances, "")
        chosen = {resolve(text, known) for text in instances} or set(known)
        definitions = workspace.definitions
        stack = Stack(
            network=settings.network,
            security_groups=settings.security_groups,
            repository=workspace.revision.settings.repository,
            boot=lambda step: boot_of(
                step.instance, definitions[step.datastore], keys.new_salt(), workspace.key
            ),
        )
        render = {Format.HOT: template}[format]
        document, hidden = render(_creation(workspace, chosen), stack)
        if environment is not None:
            _write_secrets(environment, written_yaml({"parameters": hidden}))
    typer.echo(written_yaml(document), nl=False)
    if environment is None and hidden:
        text = "The parameters are the guests' secrets; --environment FILE writes them."
        console(stderr=True).print(text)


def _creation(workspace: Workspace, chosen: set[Address]) -> list[Step]:
    """The steps that would make the *chosen* instances if nothing of them existed."""
    from planners.observed import Catalogue, CloudState, Observed
    from planners.planning import make_plan

    specs = [workspace.desired.instances[address].spec for address in chosen]
    regions = {spec.region for spec in specs}
    if len(regions) > 1:
        raise fail("a stack lives in one region; export the instances of each one by themselves")
    # What a cloud offers is Heat's to find out.
    outside = sorted({s.access.floating_network for s in specs if s.access.floating_network})
    elsewhere = {name: Catalogue(external_networks=outside) for name in regions if name}
    cloud = CloudState(external_networks=outside, further_regions=elsewhere)
    with open_journal(workspace) as journal:
        records = {str(a): r for a, r in journal.records().items() if not r.active}
    nothing = Observed(cloud=cloud, records=records)
    plan = make_plan(workspace.desired, nothing, workspace.key, targets=chosen)
    return [action.step for action in plan.actions]


def _write_secrets(path: Path, text: str) -> None:
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise fail(f"{path} exists already; secrets are not written over it") from None
    with os.fdopen(descriptor, "w") as stream:
        stream.write(text)
