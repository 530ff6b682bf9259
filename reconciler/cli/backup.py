"""``gitrove backup``: take, list, show, verify and delete backups."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from reconciler.cli.shared import (
    Directory,
    Instance,
    Output,
    OutputOption,
    errors_explained,
    fail,
    open_journal,
    open_workspace,
    print_json,
    print_table,
    resolve,
)
from reconciler.moments import utc

if TYPE_CHECKING:
    from planners.case import Draft
    from planners.observed import Observed, StoredBackup
    from reconciler.workspace import Workspace
    from specs.desired import Address

app = typer.Typer(no_args_is_help=True, help="Take, list, verify and delete backups.")

Name = Annotated[str, typer.Argument(help="The backup's name or id.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]


@app.command()
def create(
    instance: Instance,
    name: Annotated[str, typer.Option(help="Default: the instance and the time.")] = "",
    incremental: Annotated[
        bool, typer.Option("--incremental", help="Only what changed since the newest backup.")
    ] = False,
    storage: Annotated[
        str, typer.Option(help="One of backups.storages in gitrove.yaml; default: its own place.")
    ] = "",
    directory: Directory = Path(),
) -> None:
    """Take a backup now, and wait until it is complete."""
    from planners.backups import newest
    from planners.passes.backups import Target, draft

    with errors_explained():
        workspace = open_workspace(directory)
        observed = _observe(workspace)
        address, managed = _instance(instance, observed)
        report = observed.guests.get(managed)
        if report is None:
            raise fail(f"the guest of {address} does not answer")
        offer = workspace.desired.offers.get(address)
        if offer and incremental and not offer.definition.can("incrementalBackup"):
            raise fail(f"{offer.definition.title} has no incremental backups")
        chosen = name or f"{address.name}-{datetime.now(UTC):%Y%m%d-%H%M%S}"
        if any(b.name == chosen and b.project == address.project for b in observed.backups):
            raise fail(f"there is a backup {chosen} already; choose another name")
        if storage and storage not in workspace.stores:
            known = ", ".join(filter(None, workspace.stores)) or "no other storage"
            raise fail(f'no storage "{storage}" in gitrove.yaml; there is {known}')
        parent = newest(observed.backups, managed, storage) if incremental else None
        if incremental and parent is None:
            raise fail(f"{address} has no backup yet that an incremental one could follow")
        target = Target(address, managed, report.datastore, storage)
        wanted = draft(target, chosen, parent, "manual", "asked for")
        _run(workspace, address, [wanted], observed, yes=True)


@app.command("list")
def list_backups(
    instance: Annotated[str, typer.Argument(help="Only those of this instance.")] = "",
    directory: Directory = Path(),
    output: OutputOption = Output.TEXT,
) -> None:
    """List the backups in the storage, also of instances that are gone."""
    with errors_explained():
        workspace = open_workspace(directory, worktree=True)
        observed = _observe(workspace)
    running = {r.backup for r in observed.guests.values() if r and r.backup}
    names = (instance, f"{workspace.revision.settings.defaults.project}/{instance}")
    rows = [
        _row(backup, running)
        for backup in observed.backups
        if not instance
        or backup.instance_name == instance
        or f"{backup.project}/{backup.instance_name}" in names
    ]
    if output is Output.JSON:
        print_json(rows)
        return
    print_table(rows, "There are no backups.")


@app.command()
def show(name: Name, directory: Directory = Path(), output: OutputOption = Output.TEXT) -> None:
    """Show one backup and the ones that it builds on."""
    from planners.backups import NoChain, chain

    with errors_explained():
        workspace = open_workspace(directory, worktree=True)
        observed = _observe(workspace)
        backup = _backup(name, observed.backups)
        running = {r.backup for r in observed.guests.values() if r and r.backup}
        shown = _row(backup, running) | {"id": backup.id, "fault": backup.fault}
        try:
            shown["restores"] = [each.name for each in chain(backup, observed.backups)]
        except NoChain as error:
            shown["restores"] = f"not possible: {error}"
    if output is Output.JSON:
        print_json(shown)
        return
    print_table([{"field": key, "value": value} for key, value in shown.items()], "")


@app.command()
def delete(name: Name, directory: Directory = Path(), yes: Yes = False) -> None:
    """Delete one backup; refused while another one builds on it."""
    from planners.backups import children
    from planners.passes.backups import DECLARED, deletion
    from specs.desired import Address

    with errors_explained():
        workspace = open_workspace(directory)
        observed = _observe(workspace)
        backup = _backup(name, observed.backups)
        declared = {name for _, name in workspace.desired.backups}
        if backup.origin == DECLARED and backup.name in declared:
            raise fail(f"{backup.name} is declared in Git; remove it there and apply")
        if kept := [each.name for each in children(backup, observed.backups)]:
            raise fail(f"{', '.join(kept)} build on {backup.name}; delete them first")
        address = Address(backup.project, backup.instance_name)
        _run(workspace, address, [deletion(backup, "asked for")], observed, yes)


@app.command()
def verify(
    name: Name,
    flavor: Annotated[str, typer.Option(help="Default: that of the instance.")] = "",
    directory: Directory = Path(),
) -> None:
    """Restore a backup into a throw-away instance, look at it, and remove that again."""
    from policy.check import Consent
    from reconciler import verification
    from reconciler.cli.apply import converge, run_plan
    from reconciler.cli.plan import make
    from reconciler.journal.requests import Requests

    def restore(wanted: Workspace, address: str) -> None:
        converge(wanted, [address], True, Consent())

    def remove(without: Workspace, address: str) -> None:
        run_plan(without, make(without, _observe(without), [address]), True, verification.REMOVAL)

    with errors_explained():
        workspace = open_workspace(directory)
        backup = _backup(name, _observe(workspace).backups)
        with open_journal(workspace) as journal:
            requests = Requests(journal)
            try:
                found = verification.verify(
                    workspace,
                    backup,
                    restore,
                    remove,
                    lambda: _observe(workspace),
                    requests,
                    flavor,
                )
            except verification.NotRestored as error:
                raise fail(str(error)) from None
    typer.echo(f"{backup.name} can be restored. It has: {', '.join(found) or 'no databases'}")


def _observe(workspace: Workspace) -> Observed:
    from reconciler.observation import observe

    with open_journal(workspace) as journal:
        return observe(workspace.cloud, workspace.guests, journal, workspace.stores)


def _instance(text: str, observed: Observed) -> tuple[Address, str]:
    from planners.planning import ids_by_address

    known = ids_by_address(observed)
    address = resolve(text, known)
    return address, known[address]


def _backup(text: str, stored: Iterable[StoredBackup]) -> StoredBackup:
    from specs.problems import suggestion

    known = list(stored)
    found = [b for b in known if text in (b.name, b.id, f"{b.project}/{b.name}")]
    if len(found) == 1:
        return found[0]
    if found:
        choices = ", ".join(f"{b.project}/{b.name}" for b in found)
        raise fail(f'"{text}" is in several projects: {choices}; say which')
    raise fail(f'no backup "{text}"{suggestion(text, [b.name for b in known])}')


def _run(
    workspace: Workspace, address: Address, drafts: list[Draft], observed: Observed, yes: bool
) -> None:
    from planners.planning import plan_of
    from policy.check import Consent
    from reconciler.cli import apply

    made = plan_of({address: drafts}, observed, workspace.revision.name, workspace.cloud_name)
    apply.run_plan(workspace, made, yes, Consent())


def _row(backup: StoredBackup, running: set[str]) -> dict[str, Any]:
    return {
        "name": backup.name,
        "instance": f"{backup.project}/{backup.instance_name}",
        "kind": backup.kind,
        "state": _state(backup, running),
        "finished": utc(backup.finished) if backup.complete else "",
        "took": f"{backup.finished - backup.began:.1f} s" if backup.complete else "",
        "data": _size(backup.raw_bytes),
        "stored": _size(backup.stored_bytes),
        "of": f"{backup.datastore} {backup.version}",
        "by": backup.origin,
        "storage": backup.storage or "default",
    }


def _state(backup: StoredBackup, running: set[str]) -> str:
    if backup.complete:
        return "COMPLETED"
    return "RUNNING" if backup.id in running else "FAILED"


def _size(count: int) -> str:
    return f"{count / (1 << 20):.1f} MiB"
