"""The guest agent stands alone: it imports nothing of the control plane, and stays small."""

from __future__ import annotations

import subprocess
import sys

import psutil

from tests.support.worlds import LocalWorld, desire

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
