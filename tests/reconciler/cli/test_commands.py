"""The command line as a new user meets it, on a simulated cloud."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

GITROVE = Path(sys.executable).parent / "gitrove"
NAME = {f"GIT_{w}_{k}": "t@localhost" for w in ("AUTHOR", "COMMITTER") for k in ("NAME", "EMAIL")}


class Shell:
    """Runs commands in one repository with a home of its own."""

    def __init__(self, folder: Path) -> None:
        self.repository = folder / "shop"
        self.environment = {**os.environ, **NAME, "GITROVE_HOME": str(folder / "home")}

    def run(self, *arguments: str, expect: int = 0) -> str:
        folder = self.repository if self.repository.exists() else self.repository.parent
        done = subprocess.run(
            [str(GITROVE), *arguments],
            cwd=folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert done.returncode == expect, done.stdout
        return done.stdout

    def commit(self) -> None:
        for command in (["git", "add", "-A"], ["git", "commit", "-qm", "change"]):
            subprocess.run(command, cwd=self.repository, env=self.environment, check=True)


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    """A repository from the quickstart, on a simulated cloud, committed."""
    shell = Shell(tmp_path)
    shell.run("init", "shop")
    settings = shell.repository / "gitrove.yaml"
    settings.write_text(settings.read_text().replace("driver: local", "driver: simulated"))
    shell.commit()
    return shell


def test_a_plan_is_saved_applied_once_and_refused_when_stale(shell: Shell) -> None:
    assert "18 to create" in shell.run("plan", "-o", "/dev/null")
    shell.run("plan", "-o", "plan.json", "--detailed-exitcode", expect=2)
    assert "18 actions done" in shell.run("apply", "plan.json", "--yes")
    assert "plan again" in shell.run("apply", "plan.json", "--yes", expect=1)
    shell.run("plan", "--detailed-exitcode")


def test_json_output_has_no_secret_and_the_same_digest_twice(shell: Shell) -> None:
    first, second = (json.loads(shell.run("plan", "--output", "json")) for _ in range(2))
    assert first["digest"] == second["digest"] and first["allowed"]
    shell.run("apply", "--yes")
    password = json.loads(shell.run("credentials", "orders", "--output", "json"))[0]["password"]
    for command in (["plan"], ["observe"], ["status"], ["show", "orders"], ["history"]):
        assert password not in shell.run(*command)
    home = Path(shell.environment["GITROVE_HOME"])
    assert password.encode() not in (home / "journal.db").read_bytes()


def test_a_target_limits_the_plan_and_a_misspelt_one_is_helped(shell: Shell) -> None:
    assert "on 1 instance." in shell.run("plan", "--target", "cache")
    told = shell.run("plan", "--target", "cahce", expect=1)
    assert 'no instance "cahce"; did you mean "cache"?' in told


def test_a_snapshot_plans_as_the_cloud_does(shell: Shell) -> None:
    shell.run("apply", "--yes")
    shell.run("observe", "-o", "observed.json")
    assert "No changes" in shell.run("plan", "--snapshot", "observed.json", "--detailed-exitcode")


def test_names_ids_and_projects_are_all_accepted(shell: Shell) -> None:
    shell.run("apply", "--yes")
    shown = json.loads(shell.run("show", "orders", "--output", "json"))
    for name in ("shop/orders", shown["id"]):
        assert json.loads(shell.run("show", name, "--output", "json"))["id"] == shown["id"]
    assert "answers from" in shell.run("ping", "orders")


def test_validate_says_where_and_changes_nothing(shell: Shell) -> None:
    broken = shell.repository / "databases" / "cache.yaml"
    broken.write_text(broken.read_text().replace("flavor: tiny", "flavour: tiny"))
    told = shell.run("validate", expect=1)
    assert 'databases/cache.yaml:7:3: unknown field "flavour" in spec' in told
    assert "nothing was changed" in told


def test_graphs_and_explanations(shell: Shell) -> None:
    assert shell.run("graph").startswith("flowchart TD")
    assert shell.run("graph", "-f", "dot").startswith("digraph plan {")
    assert "GiB" in shell.run("explain", "Instance.spec.volume")
    assert "volume" in shell.run("explain", "Instance.spec.volum", expect=1)
    assert "work_mem" in shell.run("parameters", "postgresql", "work_mem")
    assert "technical preview" in shell.run("datastores")


def test_destroy_leaves_nothing(shell: Shell) -> None:
    shell.run("apply", "--yes")
    assert "9 to delete" in shell.run("destroy", "--yes")
    assert json.loads(shell.run("observe"))["cloud"].get("servers", []) == []


def test_a_lost_journal_learns_even_when_nothing_has_to_be_done(shell: Shell) -> None:
    shell.run("apply", "--yes")
    home = Path(shell.environment["GITROVE_HOME"])
    for path in home.glob("journal.db*"):
        path.unlink()
    assert "No changes" in shell.run("apply", "--yes")
    (home / "clouds" / "here" / "simulated.json").unlink()
    assert "incident: it existed" in shell.run("plan", expect=1)
