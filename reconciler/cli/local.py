"""``gitrove local``: the cloud on this machine, as one would switch a rack on and off."""

from __future__ import annotations

from pathlib import Path

import typer

from reconciler.cli.shared import (
    Directory,
    Output,
    OutputOption,
    console,
    errors_explained,
    open_workspace,
    print_json,
    print_table,
)

app = typer.Typer(help="The cloud on this machine.", no_args_is_help=True)


@app.command()
def status(directory: Directory = Path(), output: OutputOption = Output.TEXT) -> None:
    """List the servers, with the hosts and zones they stand in."""
    with errors_explained():
        state = open_workspace(directory, worktree=True).local_cloud.observe()
    addresses = {port.id: port.address for port in state.ports}
    rows = [
        {
            "server": server.id,
            "instance": server.name,
            "status": server.status,
            "address": addresses.get(server.port, ""),
            "flavor": server.flavor,
            "host": f"{server.zone}/{server.host}",
        }
        for server in state.servers
    ]
    if output is Output.JSON:
        print_json(rows)
        return
    print_table(rows, "The local cloud has no servers.")


@app.command()
def up(directory: Directory = Path()) -> None:
    """Switch every server on, as after a reboot of this machine."""
    with errors_explained():
        cloud = open_workspace(directory, worktree=True).local_cloud
        servers = cloud.servers()
        for server in servers:
            cloud.start_server(server.id)
    console().print(f"{len(servers)} server(s) are on.")


@app.command()
def down(directory: Directory = Path()) -> None:
    """Switch every server off in an orderly way; volumes and data stay."""
    with errors_explained():
        cloud = open_workspace(directory, worktree=True).local_cloud
        servers = cloud.servers()
        for server in servers:
            cloud.stop_server(server.id)
    console().print(f"{len(servers)} server(s) are off; gitrove local up switches them on again.")
