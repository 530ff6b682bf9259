"""A bare repository refuses mistakes when they are pushed, as validate would tell them."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from tests.docs.test_documents import assert_exists, commands
from tests.support.shell import Shell

CI = sorted((Path(__file__).parents[3] / "examples" / "ci").glob("*.yaml"))


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    shell = Shell(tmp_path)
    shell.run("init", "shop")
    shell.commit()
    bare = tmp_path / "specs.git"
    git(shell, "init", "-q", "--bare", "-b", "main", str(bare))
    git(shell, "remote", "add", "origin", str(bare))
    assert "Installed" in shell.run("hook", "install", str(bare), "--branch", "main")
    return shell


def git(shell: Shell, *arguments: str) -> tuple[int, str]:
    done = subprocess.run(
        ["git", *arguments],
        cwd=shell.repository,
        env=shell.environment,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def test_a_push_with_mistakes_is_refused_with_the_messages_of_validate(shell: Shell) -> None:
    assert git(shell, "push", "origin", "HEAD:main")[0] == 0
    orders = shell.repository / "databases" / "orders.yaml"
    orders.write_text(orders.read_text().replace("flavor:", "flavour:"))
    shell.commit()
    told = shell.run("validate", expect=1)
    status, said = git(shell, "push", "origin", "HEAD:main")
    assert status and "pre-receive hook declined" in said
    for line in told.splitlines():
        assert line.strip() in said
    # Other branches are for drafts, and may be deleted.
    assert git(shell, "push", "origin", "HEAD:draft")[0] == 0
    assert git(shell, "push", "origin", ":draft")[0] == 0


def test_a_hook_that_is_there_is_not_replaced_unasked(shell: Shell, tmp_path: Path) -> None:
    bare = str(tmp_path / "specs.git")
    assert "is there already" in shell.run("hook", "install", bare, expect=1)
    shell.run("hook", "install", bare, "--force")
    refused = shell.run("hook", "install", str(tmp_path), expect=1)
    assert "is not a bare Git repository" in refused


def test_a_comment_needs_a_token_and_an_api(shell: Shell, tmp_path: Path) -> None:
    where = ["--repository", "a/b", "--number", "1"]
    (tmp_path / "plan.md").write_text("x")
    told = shell.run("comment", str(tmp_path / "plan.md"), "--forge", "gitea", *where, expect=1)
    assert "GITROVE_FORGE_TOKEN is not set" in told
    shell.environment["GITROVE_FORGE_TOKEN"] = "t"
    told = shell.run("comment", str(tmp_path / "plan.md"), "--forge", "gitea", *where, expect=1)
    assert "name the forge's API" in told


@pytest.mark.parametrize("example", CI, ids=lambda path: path.stem)
def test_pipelines_are_yaml_and_their_commands_exist(example: Path) -> None:
    document = YAML(typ="safe").load(example.read_text())
    assert document
    lines = [text.partition(" >")[0] for text in strings(document) if text.startswith("gitrove ")]
    assert len(lines) == 3
    assert_exists([words for line in lines for words in commands(f"    {line}")])


def strings(node: object) -> list[str]:
    if isinstance(node, dict):
        return [text for value in node.values() for text in strings(value)]
    if isinstance(node, list):
        return [text for value in node for text in strings(value)]
    return [node] if isinstance(node, str) else []
