"""The command line as a new user meets it, on a simulated cloud."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.shell import Shell


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    """A repository from the quickstart, on a simulated cloud, committed."""
    shell = Shell(tmp_path)
    shell.run("init", "shop")
    shell.use_simulated_cloud()
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


def test_the_shell_completes_commands_and_options(shell: Shell) -> None:
    def completed(words: str) -> list[str]:
        shell.environment |= {
            "_GITROVE_COMPLETE": "complete_bash",
            "COMP_WORDS": words,
            "COMP_CWORD": str(len(words.split(" ")) - 1),
        }
        return shell.run().split()

    assert completed("gitrove pl") == ["plan"]
    assert completed("gitrove backup ver") == ["verify"]
    assert "--detailed-exitcode" in completed("gitrove plan --det")


def test_help_and_completion_load_nothing_heavy() -> None:
    """What makes a command line feel slow is what it imports; ``benchmarks`` has the time."""
    code = (
        "import sys\nfrom reconciler.cli.main import app\n"
        "try: app(['--help'])\nexcept SystemExit: pass\n"
        "heavy = {'sqlalchemy', 'pydantic', 'git', 'oslo_policy', 'msgspec', 'cryptography'}\n"
        "print('loaded:', sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "Plan and apply" in done.stdout
    assert done.stdout.endswith("loaded: []\n")


def test_instances_of_another_repository_are_left_alone(shell: Shell, tmp_path: Path) -> None:
    shell.run("apply", "--yes")
    other = Shell(tmp_path, "other")
    other.run("init", "other", "--project", "shop")
    other.use_simulated_cloud()
    (other.repository / "databases" / "cache.yaml").unlink()
    other.commit()
    told = other.run("plan", expect=1)
    assert "it belongs to the repository" in told and "left alone" in told
    assert "shop/orders: it exists already and belongs to the repository" in told
    other.run("destroy", "--yes")
    assert "No changes" in shell.run("plan", "--detailed-exitcode")
