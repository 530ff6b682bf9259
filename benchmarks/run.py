"""Figures of planning and applying, as growth in one run, beside Terraform and OpenTofu.

    python benchmarks/run.py [--peers PATH …]

Plans are whole processes (``gitrove plan --snapshot``); applies are on the
simulated cloud, in this process, with a journal on disk.
"""

from __future__ import annotations

import argparse
import gc
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from executors.cloud.simulated import SimulatedCloud
from executors.engine import execute
from executors.guest.simulated import SimulatedGuests
from executors.handlers import Context, handle
from executors.keys import load as load_key
from planners.observed import encode
from planners.planning import make_plan
from reconciler.catalogue import discover
from reconciler.journal.journal import Journal
from reconciler.observation import observe
from specs.loading import Source, load

GITROVE = Path(sys.executable).parent / "gitrove"
DEFINITIONS = discover()
SETTINGS = """apiVersion: gitrove/v1
kind: Settings
paths: [databases]
clouds: {sim: {driver: simulated}}
defaults: {project: shop}
"""
GROUP = """apiVersion: gitrove/v1
kind: ConfigurationGroup
metadata: {name: tuned}
spec: {datastore: {name: mariadb}, values: {max_connections: 80}}
"""
INSTANCE = """apiVersion: gitrove/v1
kind: Instance
metadata: {name: db-%d}
spec:
  datastore: {name: mariadb, version: "10.11"}
  flavor: small
  volume: {size: 1}
  configuration: tuned
  databases: [{name: one}, {name: two}]
  users:
    - {name: a, grants: [{database: one}]}
    - {name: b, grants: [{database: one}]}
    - {name: c, grants: [{database: two}]}
"""
TRIVIAL = """apiVersion: gitrove/v1
kind: Instance
metadata: {name: db-%d}
spec: {datastore: {name: redis}, flavor: tiny, volume: {size: 1}}
"""
_PER_FILE = 100
_MOST_FOR_PEERS = 2000


def sources(template: str, count: int) -> Iterator[Source]:
    for start in range(0, count, _PER_FILE):
        texts = [template % n for n in range(start, min(count, start + _PER_FILE))]
        yield Source(f"databases/{start}.yaml", "---\n".join(texts).encode())


def applied(template: str, count: int, home: Path) -> tuple[SimulatedCloud, Journal, float, int]:
    """A world with *count* instances, the seconds that the engine took, and its actions."""
    key = load_key(home / "control.key", home)
    cloud = SimulatedCloud()
    guests = SimulatedGuests(cloud, DEFINITIONS)
    journal = Journal(f"sqlite:///{home}/journal-{count}.db")
    everything = [*sources(template, count), Source("databases/g.yaml", GROUP.encode())]
    desired = load(everything, DEFINITIONS, "shop")
    plan = make_plan(desired, observe(cloud, guests, journal), key, "sim", projects=["shop"])
    context = Context(cloud, guests, key, DEFINITIONS)
    began = time.monotonic()
    outcome = execute(plan, lambda a: handle(a.step, context), journal.begin(plan, "bench"), 16)
    seconds = time.monotonic() - began
    assert outcome.succeeded
    return cloud, journal, seconds, len(plan.actions)


def measured(command: list[str], folder: Path, home: Path) -> tuple[float, float]:
    """Seconds and MiB at the peak of one whole process that must succeed."""
    began = time.monotonic()
    environment = {**os.environ, "GITROVE_HOME": str(home)}
    pid = os.fork()
    if pid == 0:
        os.chdir(folder)
        os.dup2(os.open("/dev/null", os.O_WRONLY), 1)
        os.execvpe(command[0], command, environment)
    _, status, usage = os.wait4(pid, 0)
    assert status == 0, command
    return time.monotonic() - began, usage.ru_maxrss / 1024


def plan_growth(counts: list[int], peers: list[str]) -> None:
    print("No-op plan from a snapshot: whole process, cold (nothing cached) and warm")
    for count in counts:
        with tempfile.TemporaryDirectory(prefix="gitrove-bench-") as scratch:
            home, repository = Path(scratch) / "home", Path(scratch) / "repository"
            (repository / "databases").mkdir(parents=True)
            home.mkdir()
            cloud, journal, _, _ = applied(INSTANCE, count, home)
            (repository / "gitrove.yaml").write_text(SETTINGS)
            (repository / "databases" / "g.yaml").write_text(GROUP)
            for source in sources(INSTANCE, count):
                (repository / source.path).write_bytes(source.data)
            snapshot = repository / "observed.json"
            guests = SimulatedGuests(cloud, DEFINITIONS)
            snapshot.write_bytes(encode(observe(cloud, guests, journal)))
            command = [str(GITROVE), "plan", "--worktree", "--snapshot", str(snapshot)]
            command.append("--detailed-exitcode")
            cold, _ = measured(command, repository, home)
            warm, memory = min(measured(command, repository, home) for _ in range(3))
            line = f"  {count:>7}: cold {cold:6.2f} s, warm {warm:6.2f} s, {memory:5.0f} MiB"
            for peer in peers if count <= _MOST_FOR_PEERS else ():
                line += f"; {Path(peer).name} plan {peer_figures(peer, count)[1]:6.2f} s"
            print(line, flush=True)


def apply_growth(counts: list[int], peers: list[str]) -> None:
    print("Apply of creates on the simulated cloud, journal on disk")
    for count in counts:
        with tempfile.TemporaryDirectory(prefix="gitrove-bench-") as scratch:
            _, _, seconds, actions = applied(TRIVIAL, count, Path(scratch))
        per_action = seconds / actions * 1e6
        line = f"  {count:>7}: {seconds:6.2f} s, {actions} actions, {per_action:5.0f} µs an action"
        for peer in peers if count <= _MOST_FOR_PEERS else ():
            theirs = peer_figures(peer, count)[0]
            line += f"; {Path(peer).name} apply {theirs:6.2f} s, {theirs / seconds:.0f} times"
        print(line, flush=True)


def peer_figures(peer: str, count: int) -> tuple[float, float]:
    """Seconds of apply and of the no-op plan after it, of *count* terraform_data resources."""
    with tempfile.TemporaryDirectory(prefix="gitrove-bench-") as scratch:
        folder = Path(scratch)
        blocks = (f'resource "terraform_data" "r{n}" {{ input = "{n}" }}\n' for n in range(count))
        (folder / "main.tf").write_text("".join(blocks))
        subprocess.run([peer, "init"], cwd=folder, check=True, capture_output=True)
        applying, _ = measured([peer, "apply", "-auto-approve"], folder, folder)
        planning, _ = measured([peer, "plan"], folder, folder)
    return applying, planning


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    installed = [path for name in ("tofu", "terraform") if (path := shutil.which(name))]
    parser.add_argument("--peers", nargs="+", default=installed, help="terraform, tofu")
    parser.add_argument("--plans", type=int, nargs="+", default=[1000, 10_000, 100_000])
    parser.add_argument("--applies", type=int, nargs="+", default=[1000, 2000, 4000, 10_000])
    arguments = parser.parse_args()
    gc.disable()  # As the command does.
    apply_growth(arguments.applies, arguments.peers)
    plan_growth(arguments.plans, arguments.peers)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"(peak of this process: {peak:.0f} MiB)")


if __name__ == "__main__":
    main()
