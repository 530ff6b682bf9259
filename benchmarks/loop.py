"""The daemon's figures: ``python -m benchmarks.loop round|commit|takeover|day [NUMBER...]``.

``round``: one round over healthy simulated instances in 100 projects. ``commit``: from a commit to
the first action, by webhook and by polling. ``takeover``: from the kill of one of two daemons to
the first action of the other on its projects. ``day``: 24 simulated hours with random faults.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from socket import gethostname
from typing import Any

import git

from guest_agent.toolkit.processes import wait_until
from reconciler.health import Health
from reconciler.journal.journal import Journal
from reconciler.journal.leases import share
from tests.scenarios.test_daemons import declare, push
from tests.scenarios.test_simulated_day import a_day
from tests.support.daemons import Daemon, Loop, instances
from tests.support.free_port import free_address
from tests.support.postgresql_server import PostgresqlServer
from tests.support.shell import Shell
from tests.support.worlds import SimulatedWorld

PROJECTS = 100


@contextmanager
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="gr-") as name:
        place = Path(name)
        place.chmod(0o711)
        yield place


def prepared(place: Path, count: int) -> Loop:
    """A loop that made *count* instances, and found them healthy."""
    (place / "repository").mkdir()
    world = SimulatedWorld.create()
    world.journal.close()
    world.journal = Journal(f"sqlite:///{place}/journal.db")
    loop = Loop(place / "repository", world, patience=900.0)
    for project in range(PROJECTS):
        own = (f"p{project}/i{n}" for n in range(project, count, PROJECTS))
        (place / "repository" / f"p{project}.yaml").write_text(instances("tiny", *own))
    loop.commit("")
    with git.Repo(place / "repository") as repository:
        repository.git.add("-A")
        repository.index.commit("all projects")
    workspace = loop.watch.workspace()
    assert workspace is not None
    world.converge(workspace.desired)
    loop.tick()
    assert {r.health for r in loop.resources.read().values()} == {Health.HEALTHY}
    return loop


def one_round(count: int) -> dict[str, Any]:
    with folder() as place:
        loop = prepared(place, count)
        workspace = loop.watch.workspace()
        assert workspace is not None
        took, cpu = [], []
        for _ in range(3):
            began, used = time.perf_counter(), time.process_time()
            loop.controller.round(workspace)
            took.append(time.perf_counter() - began)
            cpu.append(time.process_time() - used)
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
        return {
            "instances": count,
            "seconds": round(statistics.median(took), 2),
            "cpu seconds": round(statistics.median(cpu), 2),
            "largest MiB, with the simulated cloud": memory,
        }


def rounds(counts: list[int]) -> None:
    for count in counts or [10_000, 20_000, 50_000]:
        # Each in a process of its own, whose memory is its own.
        command = [sys.executable, "-m", "benchmarks.loop", "one", str(count)]
        print(subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip())


def commits(counts: list[int]) -> None:
    """A remote repository and one Redis on the local cloud; its volume grows, which is quick."""
    for way, interval in (("webhook", "600"), ("polling each 5 s", "5")):
        with folder() as place:
            took = list(_commits(place, way == "webhook", interval, (counts or [20])[0]))
        ordered = sorted(took)
        late = ordered[max(0, round(0.95 * len(ordered)) - 1)]
        figures = {"median": statistics.median(took), "95th": late, "commits": len(took)}
        print(way, {k: round(v, 2) for k, v in figures.items()}, flush=True)


def _commits(place: Path, by_webhook: bool, interval: str, count: int) -> Iterator[float]:
    shell = Shell(place)
    shell.run("init", "shop")
    shell.environment["GITROVE_WEBHOOK_SECRET"] = "shared with the forge"
    for each in (shell.repository / "databases").iterdir():
        each.unlink()
    bare, where = place / "specs.git", free_address()
    declare(shell, "tiny", ["team"])
    repository = git.Repo(shell.repository)
    repository.git.branch("-M", "main")
    git.Repo.init(bare, bare=True, initial_branch="main")
    repository.create_remote("origin", str(bare)).push("main")
    daemon = Daemon(shell, f"file://{bare}#main", "--listen", where, interval=interval)
    try:
        daemon.says("team/cache is Healthy")
        for number in range(count):
            path = shell.repository / "databases" / "all.yaml"
            path.write_text(
                path.read_text().replace(f"size: {number + 1}}}", f"size: {number + 2}}}")
            )
            shell.commit()
            time.sleep(random.uniform(0, 2))
            before = daemon.log.read_text().count("done team/cache volume")
            began = time.perf_counter()
            repository.remote().push("main")
            if by_webhook:
                assert push(where, f"file://{bare}") == 202
            while daemon.log.read_text().count("done team/cache volume") == before:
                assert time.perf_counter() - began < 60
                time.sleep(0.005)
            yield time.perf_counter() - began
    finally:
        daemon.end()
        shell.run("local", "down")


def takeovers(counts: list[int]) -> None:
    lease = 5.0
    took = []
    for _ in range((counts or [5])[0]):
        with folder() as place:
            took.append(_takeover(place, lease))
    figures = {"median": statistics.median(took), "longest": max(took), "lease": lease}
    print({k: round(v, 2) for k, v in figures.items()})


def _takeover(place: Path, lease: float) -> float:
    """From the kill to the first action of the other on a project of the killed one."""
    shell = Shell(place)
    shell.run("init", "shop")
    projects = [f"team{n}" for n in range(6)]
    for each in (shell.repository / "databases").iterdir():
        each.unlink()
    with PostgresqlServer(place / "pg") as server:
        with (shell.repository / "gitrove.yaml").open("a") as settings:
            settings.write(f"journal: {{url: '{server.url}'}}\n")
        shell.environment["GITROVE_JOURNAL"] = server.url
        declare(shell, "tiny", projects)
        both = [Daemon(shell, "--lease", str(lease), interval="0.2") for _ in range(2)]
        try:
            for each in both:
                each.says("controllers: ")
            shell.run("sync")
            names = {each: f"{gethostname()}:{each.process.pid}" for each in both}
            owned = {each: share(projects, list(names.values()), names[each]) for each in both}
            killed, other = sorted(both, key=lambda each: len(owned[each]), reverse=True)
            mine = {f"{project}/cache" for project in owned[killed]}
            seen = len(other.log.read_text())
            killed.process.kill()
            began = time.perf_counter()
            declare(shell, "small", projects)
            assert wait_until(
                lambda: any(
                    f"done {address} server" in other.log.read_text()[seen:] for address in mine
                ),
                60,
            ), other.log.read_text()
            return time.perf_counter() - began
        finally:
            for each in both:
                each.process.kill()
                each.process.wait(60)
            shell.run("local", "down")


def day(counts: list[int]) -> None:
    """See ``tests.scenarios.test_simulated_day``, with 40 instances."""
    seed = (counts or [1])[0]
    with folder() as place:
        began = time.perf_counter()
        told = a_day(place, 40, seed)
        print(json.dumps({"seed": seed, "seconds": round(time.perf_counter() - began, 1), **told}))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["round", "one", "commit", "takeover", "day"])
    parser.add_argument("numbers", nargs="*", type=int)
    given = parser.parse_args()
    with folder() as home:
        os.environ["GITROVE_HOME"] = str(home / "home")
        (home / "home").mkdir()
        if given.what == "one":
            print(json.dumps(one_round(given.numbers[0])))
            return
        does = {"round": rounds, "commit": commits, "takeover": takeovers, "day": day}
        does[given.what](given.numbers)


if __name__ == "__main__":
    main()
