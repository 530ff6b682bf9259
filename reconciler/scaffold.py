"""Makes a user's repository from one of the examples."""

from __future__ import annotations

import json
import re
import secrets
import shutil
from pathlib import Path

import git
import msgspec

from planners.observed import Observed
from planners.plan import Plan
from specs.problems import suggestion
from specs.published import schemas

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"
_SCHEMA_FOLDER = Path(".gitrove") / "schema"
_PLACEHOLDER = "project: quickstart"


class CannotScaffold(Exception):
    """The folder or the example cannot be used."""


def create(directory: Path, example: str, project: str) -> list[str]:
    """Copy *example* into *directory* as a new Git repository; the names of its files."""
    known = sorted(each.name for each in EXAMPLES.iterdir() if (each / "gitrove.yaml").exists())
    if example not in known:
        raise CannotScaffold(f'no example "{example}"{suggestion(example, known)}')
    if directory.exists() and any(directory.iterdir()):
        raise CannotScaffold(f"{directory} exists and is not empty; choose another folder")
    name = project or _as_name(directory.resolve().name)
    shutil.copytree(EXAMPLES / example, directory, dirs_exist_ok=True)
    settings = directory / "gitrove.yaml"
    text = settings.read_text().replace(_PLACEHOLDER, f"project: {name}")
    marked = f"kind: Settings\nrepository: {name}-{secrets.token_hex(4)}\n"
    settings.write_text(text.replace("kind: Settings\n", marked))
    folder = directory / _SCHEMA_FOLDER
    folder.mkdir(parents=True)
    for file, text in all_schemas().items():
        (folder / file).write_text(text)
    git.Repo.init(directory, initial_branch="main").close()
    files = (path.relative_to(directory) for path in directory.rglob("*") if path.is_file())
    return sorted(str(path) for path in files if path.parts[0] not in (".git", ".gitrove"))


def all_schemas() -> dict[str, str]:
    """The schemas of the specs, of a saved plan and of a snapshot, by file name."""
    data = {"plan.json": Plan, "observed.json": Observed}
    generated = {
        name: json.dumps(msgspec.json.schema(model), indent=2, sort_keys=True) + "\n"
        for name, model in data.items()
    }
    return {**schemas(), **generated}


def _as_name(text: str) -> str:
    name = re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:63].strip("-")
    return name or "default"
