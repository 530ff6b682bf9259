"""README and guide say what is so: their commands exist and print what they show."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
import typer
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from reconciler.cli.main import app
from reconciler.health import Health
from specs.models import KINDS
from specs.settings import Settings
from tests.support.shell import Shell

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
_GUIDE = (ROOT / "docs" / "guide.md").read_text()
DAEMON = (ROOT / "docs" / "daemon.md").read_text()


def commands(text: str) -> Iterator[list[str]]:
    """The words of each ``gitrove …`` in a code span or an indented block."""
    for found in re.findall(r"`(gitrove [^`]+)`|^ {4}(gitrove .*)$", text, re.MULTILINE):
        line = " ".join((found[0] or found[1]).split())
        for part in re.split(r"&&|\|", line.partition("#")[0]):
            words = shlex.split(part)
            if words[:1] == ["gitrove"]:
                yield words[1:]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_command_and_option_that_is_named_exists(document: Path) -> None:
    named = list(commands(document.read_text()))
    assert named
    assert_exists(named)


def assert_exists(named: list[list[str]]) -> None:
    """Each has the words of a command, of which the options are known."""
    group = typer.main.get_command(app)
    for words in named:
        command: Any = group
        while words and hasattr(command, "commands") and not words[0].startswith("-"):
            # ``status|up|down`` stands for each of them.
            choices = words[0].split("|")
            assert set(choices) <= set(command.commands), words
            command, words = command.commands[choices[0]], words[1:]
        known = {name for each in command.params for name in (*each.opts, *each.secondary_opts)}
        options = [each.partition("=")[0] for each in words if each.startswith("-")]
        assert set(options) <= known, f"{command.name}: {set(options) - known}"


def test_the_errors_in_the_guide_are_what_validate_prints(tmp_path: Path) -> None:
    shown = _GUIDE.partition("reports every mistake in one run:\n\n")[2].partition("\n\n")[0]
    shell = Shell(tmp_path)
    shell.run("init", "shop")
    orders = shell.repository / "databases" / "orders.yaml"
    orders.write_text(orders.read_text().replace("flavor:", "flavour:"))
    told = shell.run("validate", expect=1)
    assert [line.strip() for line in told.splitlines()] == [
        line.strip() for line in shown.splitlines()
    ]


def test_the_first_steps_of_the_readme_work_as_they_stand(tmp_path: Path) -> None:
    readme = (ROOT / "README.md").read_text()
    block = readme.partition("## Your own databases\n\n")[2].partition("\n\n")[0]
    steps = list(commands(block))
    assert [words[0] for words in steps] == ["init", "plan", "apply", "status", "credentials"]
    shell = Shell(tmp_path)
    shell.run("init", "shop")
    shell.use_simulated_cloud()
    shell.commit()
    for words in steps[1:]:
        shell.run(*words, *(["--yes"] if words == ["apply"] else []))


def yaml_blocks(document: Path) -> list[dict[str, Any]]:
    """What stands in fenced or indented YAML, document by document."""
    text = document.read_text()
    found = re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)
    found += [dedent(each) for each in re.findall(r"(?:^ {4}\S.*:.*\n(?: {4}.*\n)*)", text, re.M)]
    blocks = []
    for block in found:
        try:
            blocks += [each for each in YAML(typ="safe").load_all(block) if isinstance(each, dict)]
        except YAMLError:
            continue
    return blocks


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_the_yaml_that_is_shown_is_what_is_read(document: Path) -> None:
    for block in yaml_blocks(document):
        if block.get("kind") in KINDS:
            KINDS[block["kind"]].model_validate(block)
        elif set(block) <= set(SETTINGS):
            shown = {"apiVersion": "gitrove/v1", "kind": "Settings", "clouds": ONE_CLOUD} | block
            Settings.model_validate(shown)
        elif set(block) == {"spec"}:
            spec = {"datastore": {"name": "redis"}, "flavor": "tiny", "volume": {"size": 1}}
            whole = {"apiVersion": "gitrove/v1", "kind": "Instance", "metadata": {"name": "x"}}
            whole["spec"] = spec | block["spec"]
            KINDS["Instance"].model_validate(whole)


ONE_CLOUD = {"here": {"driver": "local"}}
SETTINGS = [each.alias or name for name, each in Settings.model_fields.items()]


def test_the_documents_have_yaml_of_every_sort() -> None:
    blocks = [block for document in DOCUMENTS for block in yaml_blocks(document)]
    assert sum(block.get("kind") in KINDS for block in blocks) >= 3
    assert sum("policy" in block or "reconcile" in block for block in blocks) >= 2
    assert sum(set(block) == {"spec"} for block in blocks) >= 2


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_what_a_document_points_to_is_there(document: Path) -> None:
    links = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", document.read_text())
    assert [each for each in links if not (document.parent / each).exists()] == []


def test_the_files_that_the_architecture_names_are_there() -> None:
    named = re.findall(r"`([\w.-]+/[\w./-]*)`", (ROOT / "ARCHITECTURE.md").read_text())
    assert len(named) > 40
    known = [ROOT, *(ROOT / each for each in ("guest_agent", "reconciler", "executors"))]
    gone = [each for each in named if not any((folder / each).exists() for folder in known)]
    assert gone == []


def test_the_words_of_health_are_those_in_the_table() -> None:
    table = DAEMON.partition("## Health\n")[2].partition("\n## ")[0]
    assert set(re.findall(r"^\| (\w+) \|", table, re.MULTILINE)) == {str(each) for each in Health}


def test_environment_variables_that_are_named_are_read() -> None:
    code = "".join(
        path.read_text()
        for package in ("reconciler", "executors", "specs", "guest_agent", "tests", "scripts")
        for path in (ROOT / package).rglob("*")
        if path.is_file() and path.suffix in (".py", "")
    )
    named = {name for each in DOCUMENTS for name in re.findall(r"GITROVE_\w+", each.read_text())}
    assert named and {name for name in named if name not in code} == set()


def test_the_notifications_that_are_named_are_told() -> None:
    told = DAEMON.partition("## Notifications\n")[2].partition("\n## ")[0]
    names = re.findall(r"`(trove\.[\w.]+)`", told)
    source = (ROOT / "reconciler" / "notifications" / "billing.py").read_text()
    assert names and [each for each in names if each.rpartition(".")[2] not in source] == []


def test_routes_that_are_named_are_served() -> None:
    served = (ROOT / "reconciler" / "web" / "app.py").read_text()
    served += (ROOT / "reconciler" / "web" / "hooks.py").read_text()
    named = set(re.findall(r"`(/[a-z]+)`", DAEMON))
    assert {"/metrics", "/healthz", "/readyz", "/hooks"} <= named
    assert [each for each in named if f'"{each}"' not in served] == []
