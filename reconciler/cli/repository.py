"""Commands about the repository and its specs; none of them needs a cloud."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from reconciler.cli.shared import (
    Directory,
    Output,
    OutputOption,
    console,
    errors_explained,
    fail,
    open_workspace,
    print_json,
    print_problems,
    print_table,
)


def init(
    directory: Annotated[Path, typer.Argument(help="The folder to make.")],
    example: Annotated[str, typer.Option(help="What to start from.")] = "quickstart",
    project: Annotated[str, typer.Option(help="The project's name; default: the folder's.")] = "",
) -> None:
    """Make a repository with a gitrove.yaml and a first example to change."""
    from reconciler import scaffold

    try:
        made = scaffold.create(directory, example, project)
    except scaffold.CannotScaffold as error:
        raise fail(str(error)) from None
    out = console()
    out.print(f"Made [bold]{directory}[/] from the example [bold]{example}[/]:")
    for name in made:
        out.print(f"  {name}")
    out.print("\nNext:")
    out.print(f"  cd {directory}")
    out.print('  git add -A && git commit -m "First databases"')
    out.print("  gitrove plan")


def validate(
    directory: Directory = Path(),
    revision: Annotated[
        str, typer.Option("--revision", "-r", help="A commit; default: the working tree.")
    ] = "",
    output: OutputOption = Output.TEXT,
) -> None:
    """Check every spec and report all mistakes at once."""
    from dataclasses import asdict

    from specs.problems import SpecProblems

    with errors_explained():
        try:
            workspace = open_workspace(directory, revision or "HEAD", worktree=not revision)
            desired = workspace.desired
        except SpecProblems as error:
            if output is Output.JSON:
                print_json({"valid": False, "problems": [asdict(p) for p in error.problems]})
                raise typer.Exit(1) from None
            raise
        if output is Output.JSON:
            print_json({"valid": True, "problems": [asdict(p) for p in desired.warnings]})
            return
        print_problems(desired.warnings)
        count = len(desired)
        console().print(f"[green]Valid:[/] {count} document{'' if count == 1 else 's'}.")


def explain(
    path: Annotated[str, typer.Argument(help="A kind and fields: Instance.spec.volume")],
) -> None:
    """Say what a field means, and which fields are below it."""
    from rich.markup import escape
    from rich.table import Table

    from specs.explain import NoSuchField
    from specs.explain import explain as explained

    try:
        found = explained(path)
    except NoSuchField as error:
        raise fail(str(error)) from None
    out = console()
    out.print(f"[bold]{escape(found.path)}[/]  [cyan]{escape(found.type)}[/]")
    if found.description:
        out.print(f"  {escape(found.description)}")
    if found.fields:
        table = Table(box=None, padding=(0, 2), show_edge=False)
        for column in ("Field", "Type", "Required", "Default", "Meaning"):
            table.add_column(column, overflow="fold")
        for field in found.fields:
            required = "yes" if field.required else ""
            cells = (field.name, field.type, required, field.default, field.description)
            table.add_row(*(escape(cell) for cell in cells))
        out.print()
        out.print(table, soft_wrap=False)


def schema(
    kind: Annotated[str, typer.Argument(help="One kind to print; default: write all.")] = "",
    into: Annotated[
        Path | None, typer.Option(help="The folder to write to; default: gitrove's own.")
    ] = None,
) -> None:
    """Print the JSON Schema of a kind, or write all of them for editors."""
    from reconciler.scaffold import all_schemas
    from specs.problems import suggestion
    from specs.published import FOLDER

    texts = all_schemas()
    if kind:
        name = f"{kind.lower()}.json"
        if name not in texts:
            known = [each.removesuffix(".json") for each in texts]
            raise fail(f'no schema for "{kind}"{suggestion(kind.lower(), known)}')
        typer.echo(texts[name], nl=False)
        return
    folder = into or FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        (folder / name).write_text(text)
    typer.echo(f"Wrote {len(texts)} schemas to {folder}")


def datastores(directory: Directory = Path(), output: OutputOption = Output.TEXT) -> None:
    """List the datastores on offer, their versions and maturity."""
    from reconciler.offers import offers

    with errors_explained():
        workspace = open_workspace(directory, worktree=True)
        rows = list(offers(workspace.desired, workspace.definitions, workspace.actor))
    if output is Output.JSON:
        print_json(rows)
        return
    print_table(rows, "Nothing to list.")


def parameters(
    datastore: Annotated[str, typer.Argument(help="The datastore, such as mariadb.")],
    search: Annotated[str, typer.Argument(help="Only names that contain this.")] = "",
    output: OutputOption = Output.TEXT,
) -> None:
    """List the configuration parameters of a datastore with type, bounds and default."""
    from reconciler.catalogue import discover
    from reconciler.offers import parameter_rows
    from specs.problems import suggestion

    definitions = discover()
    if datastore not in definitions:
        raise fail(f'no datastore "{datastore}"{suggestion(datastore, definitions)}')
    rows = [row for row in parameter_rows(definitions[datastore]) if search in row["name"]]
    if output is Output.JSON:
        print_json(rows)
        return
    print_table(rows, "Nothing to list.")
