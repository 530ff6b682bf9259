"""The guest agent stands alone: it imports nothing of the control plane, and stays small."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import psutil

from tests.support.worlds import LocalWorld, desire

ROOT = Path(__file__).resolve().parents[2]
EVERYTHING = """
import importlib, pkgutil, sys, guest_agent
for module in pkgutil.walk_packages(guest_agent.__path__, "guest_agent."):
    if not module.name.endswith("__main__"):
        importlib.import_module(module.name)
print(" ".join(sorted({name.partition(".")[0] for name in sys.modules})))
"""


def test_the_agent_imports_nothing_of_the_control_plane() -> None:
    command = [sys.executable, "-c", EVERYTHING]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    imported = set(done.stdout.split())
    ours = {"specs", "planners", "policy", "executors", "reconciler"}
    theirs = {"pydantic", "ruamel", "sqlalchemy", "git", "typer", "msgspec", "oslo_policy"}
    assert not imported & (ours | theirs)


def test_the_agent_installs_and_runs_from_its_own_project(tmp_path: Path) -> None:
    """Its declared dependencies are all that it needs: nothing else is in this environment."""
    source, environment = tmp_path / "agent", tmp_path / "venv"
    shutil.copytree(ROOT / "guest_agent", source, ignore=shutil.ignore_patterns("__pycache__"))
    subprocess.run([sys.executable, "-m", "venv", str(environment)], check=True)
    install = [str(environment / "bin" / "pip"), "install", "--quiet"]
    constraints = ["-c", str(ROOT / "constraints.txt")]
    subprocess.run([*install, *constraints, str(source)], check=True)
    python = [str(environment / "bin" / "python"), "-I", "-c", EVERYTHING]
    done = subprocess.run(python, cwd="/", capture_output=True, text=True, check=True)
    assert "guest_agent" in done.stdout.split()
    usage = subprocess.run(
        [str(environment / "bin" / "gitrove-guest-agent")],
        cwd="/",
        capture_output=True,
        text=True,
        check=False,
    )
    assert usage.stderr == "usage: gitrove-guest-agent SETTINGS.json\n"


def test_the_control_plane_never_imports_a_driver() -> None:
    code = (
        "import sys, reconciler.cli.main, reconciler.applying, reconciler.workspace\n"
        "from reconciler.catalogue import discover\n"
        "[d.parameters for d in discover().values()]\n"
        "print([m for m in sys.modules if m.endswith('.driver') and 'datastores.' in m\n"
        "       and m != 'guest_agent.datastores.driver'])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_an_idle_agent_is_small_and_quiet(local_world: LocalWorld) -> None:
    local_world.converge(
        desire(
            """
            apiVersion: gitrove/v1
            kind: Instance
            metadata: {name: one}
            spec: {datastore: {name: postgresql}, flavor: tiny, volume: {size: 1}}
            """
        )
    )
    agent: psutil.Process = local_world.process("one", "agent")
    assert agent.memory_info().rss < 60 << 20
    assert agent.cpu_percent(interval=3.0) < 1.0
