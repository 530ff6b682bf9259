"""``gitrove approve``: a second person agrees to exactly one plan."""

from __future__ import annotations

import re
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
    print_table,
)

if TYPE_CHECKING:
    from reconciler.journal.journal import Journal
    from reconciler.workspace import Workspace


def approve(
    plan: Annotated[
        str, typer.Argument(help="The beginning of a plan's digest; default: list what waits.")
    ] = "",
    key: Annotated[
        str,
        typer.Option(
            help="What you sign with, where the policy requires signatures: "
            "the file of an SSH key, or the id of a GPG key."
        ),
    ] = "",
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    directory: Directory = Path(),
) -> None:
    """Agree to a plan that waits for the approval of a second person."""
    with errors_explained():
        workspace = open_workspace(directory)
        with open_journal(workspace) as journal:
            if plan:
                _approve(plan, key, yes, workspace, journal)
            else:
                print_table(_waiting(journal), "No plan waits for an approval.")


def _waiting(journal: Journal) -> list[dict[str, str]]:
    from reconciler.journal.resources import Resources

    rows = []
    for resource in Resources(journal).read().values():
        if found := re.search(r"gitrove approve (\w+)", resource.waits):
            rows.append({"instance": resource.address, "plan": found[1], "why": resource.waits})
    return rows


def _approve(plan: str, key: str, yes: bool, workspace: Workspace, journal: Journal) -> None:
    from policy.signatures import BadSignature, is_digest, sign_plan
    from policy.verdict import Verdict
    from reconciler.cli.plan import show
    from reconciler.cli.shared import Output
    from reconciler.consent import may_approve
    from reconciler.journal.approvals import Approvals

    approvals = Approvals(journal)
    found = approvals.plans(plan) if is_digest(plan) else {}
    if len(found) != 1:
        raise fail(f'{"several plans begin" if found else "no plan begins"} with "{plan}"')
    ((digest, wanted),) = found.items()
    policy = workspace.revision.settings.policy
    if not policy.require_signatures and not may_approve(workspace.actor):
        raise fail(f"{workspace.actor.name} has neither the role approver nor admin")
    if policy.require_signatures and not key:
        raise fail(
            "the policy requires signatures; sign with --key ~/.ssh/id_ed25519, "
            "or --key and the id of a GPG key"
        )
    show(wanted, Verdict(), Output.TEXT)
    if not yes:
        typer.confirm(f"Agree to the plan {digest[:12]}?", abort=True)
    try:
        signature = sign_plan(digest, key) if key else ""
    except BadSignature as error:
        raise fail(str(error)) from None
    approvals.add(digest, workspace.actor.name, signature)
    console().print(f"Approved: {digest[:12]}. Whatever changes in it needs another approval.")
