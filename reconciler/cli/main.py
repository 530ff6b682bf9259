"""``gitrove``: every command, grouped as people work."""

from __future__ import annotations

import gc

import typer

from reconciler.cli import adopt as adopt_command
from reconciler.cli import apply as apply_command
from reconciler.cli import approve as approve_command
from reconciler.cli import (
    backup,
    export,
    inspect,
    local,
    plan,
    repository,
    review,
    schedule,
    steering,
)
from reconciler.cli import daemon as daemon_command

app = typer.Typer(
    name="gitrove",
    help="Databases as a service, declared in Git: plan, apply, and keep them so.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)

_WRITE = "Write specs"
_RUN = "Plan and apply"
_LOOK = "Look"
_WATCH = "Keep watching"

app.command(rich_help_panel=_WRITE)(repository.init)
app.command(rich_help_panel=_WRITE)(adopt_command.adopt)
app.command(rich_help_panel=_WRITE)(repository.validate)
app.command(rich_help_panel=_WRITE)(repository.explain)
app.command(rich_help_panel=_WRITE)(repository.schema)
app.command(rich_help_panel=_WRITE)(repository.datastores)
app.command(rich_help_panel=_WRITE)(repository.parameters)
app.command(rich_help_panel=_RUN)(plan.plan)
app.command(rich_help_panel=_RUN)(plan.graph)
app.command(rich_help_panel=_RUN)(review.comment)
app.add_typer(review.hook, name="hook", rich_help_panel=_RUN)
app.command(rich_help_panel=_RUN)(export.export)
app.command(rich_help_panel=_RUN)(apply_command.apply)
app.command(rich_help_panel=_RUN)(apply_command.destroy)
app.command(rich_help_panel=_LOOK)(inspect.status)
app.command(rich_help_panel=_LOOK)(inspect.show)
app.command(rich_help_panel=_LOOK)(inspect.history)
app.command(rich_help_panel=_LOOK)(inspect.credentials)
app.command(rich_help_panel=_LOOK)(inspect.ping)
app.command(rich_help_panel=_LOOK)(inspect.quota)
app.command(rich_help_panel=_LOOK)(plan.observe)
app.command(rich_help_panel=_WATCH)(daemon_command.daemon)
app.command(rich_help_panel=_WATCH)(approve_command.approve)
app.command(rich_help_panel=_WATCH)(steering.sync)
app.command(rich_help_panel=_WATCH)(steering.suspend)
app.command(rich_help_panel=_WATCH)(steering.resume)
app.add_typer(backup.app, name="backup", rich_help_panel="Backups")
app.add_typer(schedule.app, name="schedule", rich_help_panel="Backups")
app.add_typer(local.app, name="local", rich_help_panel="Local cloud")


@app.command(rich_help_panel=_LOOK)
def version() -> None:
    """Print the version."""
    from guest_agent import __version__

    typer.echo(f"gitrove {__version__}")


def run() -> None:
    # What a command builds lives until it ends; looking through it for cycles doubles its time.
    gc.disable()
    app()


if __name__ == "__main__":
    run()
