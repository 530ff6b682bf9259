"""``gitrove comment``, ``gitrove hook``: what a pipeline, or a bare repository, runs."""

from __future__ import annotations

import os
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from reconciler.cli.shared import FAILURE, console, errors_explained, fail, print_problems

hook = typer.Typer(no_args_is_help=True, help="Reject mistakes when they are pushed.")

_HOOK = """#!/bin/sh
# Installed by gitrove hook install: commits with mistakes in their specs are not taken.
exec {program} hook check {branches}
"""
_NONE = "0" * 40


class Forge(StrEnum):
    GITHUB = "github"
    GITLAB = "gitlab"
    GITEA = "gitea"


_APIS = {
    Forge.GITHUB: ("GITHUB_API_URL", "https://api.github.com"),
    Forge.GITLAB: ("CI_API_V4_URL", "https://gitlab.com/api/v4"),
    Forge.GITEA: ("GITHUB_API_URL", ""),
}


def comment(
    text: Annotated[
        Path, typer.Argument(help="What gitrove plan --output markdown wrote; - is the input.")
    ],
    forge: Annotated[Forge, typer.Option(help="Gitea is Forgejo, too.")],
    repository: Annotated[str, typer.Option(help="As owner/name, or a GitLab project's path.")],
    number: Annotated[int, typer.Option(help="Of the pull request, or merge request.")],
    api: Annotated[
        str, typer.Option(help="The forge's API; default: what its pipelines name.")
    ] = "",
) -> None:
    """Put the comment on a pull request, in place of the one before.

    The token is read from GITROVE_FORGE_TOKEN.
    """
    from reconciler.forges import ForgeError, PullRequest

    token = os.environ.get("GITROVE_FORGE_TOKEN", "")
    if not token:
        raise fail("GITROVE_FORGE_TOKEN is not set; it needs a token that may comment")
    variable, default = _APIS[forge]
    where = api or os.environ.get(variable) or default
    if not where:
        raise fail("name the forge's API, such as --api https://git.example.org/api/v1")
    body = sys.stdin.read() if str(text) == "-" else text.read_text()
    try:
        done = PullRequest(forge.value, where, repository, number, token).put(body)
    except ForgeError as error:
        raise fail(str(error)) from None
    console().print(f"The comment was {done}.")


@hook.command()
def install(
    repository: Annotated[Path, typer.Argument(help="A bare repository on this machine.")],
    branch: Annotated[
        list[str], typer.Option(help="Only these branches; may be repeated. Default: all.")
    ] = [],  # noqa: B006 - typer copies it
    force: Annotated[bool, typer.Option(help="Replace a hook that is there.")] = False,
) -> None:
    """Have a bare repository refuse commits whose specs have mistakes."""
    if not (repository / "objects").is_dir():
        raise fail(f"{repository} is not a bare Git repository")
    place = repository / "hooks" / "pre-receive"
    if place.exists() and not force:
        raise fail(f"{place} is there already; call gitrove hook check from it, or use --force")
    program = Path(sys.argv[0]).absolute()
    place.parent.mkdir(exist_ok=True)
    place.write_text(_HOOK.format(program=program, branches=" ".join(branch)).rstrip() + "\n")
    place.chmod(0o755)
    console().print(f"Installed: {place}")


@hook.command()
def check(
    branches: Annotated[list[str] | None, typer.Argument(help="Default: all.")] = None,
) -> None:
    """Check what a push brings; Git runs it as pre-receive, in the repository."""
    from reconciler.workspace import Workspace
    from specs.problems import SpecProblems
    from specs.revision import read_commit

    root = Path(os.environ.get("GIT_DIR", ".")).absolute()
    refused = False
    for line in sys.stdin.read().splitlines():
        _, new, ref = line.split(" ", 2)
        name = ref.removeprefix("refs/heads/")
        if name == ref or new == _NONE or (branches and name not in branches):
            continue
        with errors_explained():
            try:
                _ = Workspace(root, read_commit(root, new)).desired
            except SpecProblems as error:
                print_problems(error.problems)
                refused = True
    if refused:
        raise typer.Exit(FAILURE)
