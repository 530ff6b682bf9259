"""Two daemons on real servers, one journal: commits, drift, a webhook, and one that is killed."""

from __future__ import annotations

import hashlib
import hmac
import json
import signal
import socket
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import git
import psutil
import pytest

from guest_agent.toolkit.processes import wait_until
from reconciler.journal.leases import share
from tests.support.daemons import Daemon
from tests.support.free_port import free_address
from tests.support.postgresql_server import PostgresqlServer
from tests.support.shell import Shell

SECRET = "shared with the forge"
CACHE = """
apiVersion: gitrove/v1
kind: Instance
metadata: {name: cache, project: %s}
spec: {datastore: {name: redis}, flavor: %s, volume: {size: 1}}
---
"""
PROJECTS = [f"team{number}" for number in range(6)]
LEASE = 3.0


@pytest.fixture
def shell(short_folder: Path) -> Iterator[Shell]:
    shell = Shell(short_folder)
    shell.run("init", "shop")
    shell.environment["GITROVE_WEBHOOK_SECRET"] = SECRET
    with PostgresqlServer(short_folder / "pg") as server:
        shell.environment["GITROVE_JOURNAL"] = server.url
        with (shell.repository / "gitrove.yaml").open("a") as settings:
            settings.write(f"journal: {{url: '{server.url}'}}\nreconcile: {{interval: 600}}\n")
        for each in (shell.repository / "databases").iterdir():
            each.unlink()
        declare(shell, "tiny", PROJECTS)
        yield shell
        shell.run("local", "down")


def declare(shell: Shell, flavor: str, projects: list[str]) -> str:
    text = "".join(CACHE % (project, flavor) for project in projects)
    (shell.repository / "databases" / "all.yaml").write_text(text)
    shell.commit()
    return git.Repo(shell.repository).head.commit.hexsha


@pytest.fixture
def start(shell: Shell) -> Iterator[Callable[..., Daemon]]:
    daemons: list[Daemon] = []

    def started(*options: str, interval: str = "0.5") -> Daemon:
        daemons.append(Daemon(shell, *options, "--lease", str(LEASE), interval=interval))
        return daemons[-1]

    yield started
    for daemon in daemons:
        daemon.process.kill()
        daemon.process.wait(60)


def servers(shell: Shell) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(shell.run("observe"))["cloud"].get("servers", [])
    return found


def flavors(shell: Shell) -> set[str]:
    return {each["flavor"] for each in servers(shell)}


def push(where: str, url: str, secret: str = SECRET) -> int:
    """Tell the daemon at *where* of a push, as Gitea does; its answer's status."""
    body = json.dumps({"ref": "refs/heads/main", "repository": {"clone_url": url}}).encode()
    signature = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    asked = urllib.request.Request(
        f"http://{where}/hooks", body, {"X-Gitea-Signature": signature}, method="POST"
    )
    try:
        with urllib.request.urlopen(asked) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


def test_two_share_the_projects_and_one_takes_over_from_the_other(
    shell: Shell, start: Callable[..., Daemon]
) -> None:
    first, second = start(), start()
    for each in (first, second):
        each.says("controllers: ")
    assert wait_until(lambda: len(servers(shell)) == len(PROJECTS), 60), first.log.read_text()
    shell.run("sync")
    began = {
        each: {line.split()[4] for line in each.log.read_text().splitlines() if " done " in line}
        for each in (first, second)
    }
    assert began[first] | began[second] == {f"{project}/cache" for project in PROJECTS}
    assert len({(s["metadata"]["gitrove:id"]) for s in servers(shell)}) == len(PROJECTS)

    # One is killed in the middle of a change; the other goes on when its lease has ended.
    declare(shell, "small", PROJECTS)
    busier = max(began, key=lambda each: len(began[each]))
    assert wait_until(lambda: flavors(shell) != {"tiny"}, 30)
    busier.end(signal.SIGKILL)
    assert wait_until(lambda: flavors(shell) == {"small"}, LEASE + 60), told(shell)
    (other,) = set(began) - {busier}
    other.says("controllers: ")
    shell.run("sync")
    rows = json.loads(shell.run("status", "--output", "json"))
    assert {row["health"] for row in rows} == {"Healthy"} and len(rows) == len(PROJECTS)
    ended = json.loads(shell.run("history", "--output", "json"))
    assert len(ended) >= len(PROJECTS)
    assert other.end() == 0


def test_one_that_was_paused_in_the_middle_leaves_alone_what_another_did(
    shell: Shell, start: Callable[..., Daemon]
) -> None:
    pair = [start(), start()]
    for each in pair:
        each.says("controllers: ")
    assert wait_until(lambda: healthy(shell) == len(PROJECTS), 60)
    holders = [f"{socket.gethostname()}:{each.process.pid}" for each in pair]
    project = PROJECTS[0]
    if not share([project], holders, holders[0]):
        pair.reverse()
    paused, other = pair
    text = (shell.repository / "databases" / "all.yaml").read_text()
    record = agent_record(shell, project)
    before = record.read_text()
    (shell.repository / "databases" / "all.yaml").write_text(text.replace("tiny", "small", 1))
    shell.commit()
    # The server was restarted with more memory; its guest does not answer yet.
    assert wait_until(lambda: record.read_text() not in ("", before), 30, 0.005)
    paused.process.send_signal(signal.SIGSTOP)
    heard = other.log.read_text().count("controllers: ")
    assert wait_until(lambda: other.log.read_text().count("controllers: ") > heard, 60)
    assert wait_until(lambda: done(shell, project), LEASE + 60), other.log.read_text()
    after = agents(shell)
    assert len(after) == len(PROJECTS)
    paused.process.send_signal(signal.SIGCONT)
    paused.says(f"the lease of {project} has ended; another controller may have it")
    assert wait_until(lambda: other.log.read_text().count("controllers: ") > heard + 1, 60)
    shell.run("sync")
    assert healthy(shell) == len(PROJECTS)
    # A second resize would have stopped and started it again.
    assert agents(shell) == after
    assert [each.end() for each in pair] == [0, 0]


def agent_record(shell: Shell, project: str) -> Path:
    """The file in which the process of the agent in *project* is recorded."""
    for piece in (shell.repository.parent / "home").rglob("servers/*/piece.json"):
        if json.loads(piece.read_text())["metadata"]["gitrove:project"] == project:
            return piece.with_name("agent.process")
    raise LookupError(project)


def done(shell: Shell, project: str) -> bool:
    rows = json.loads(shell.run("status", "--output", "json"))
    (row,) = (each for each in rows if each["instance"] == f"{project}/cache")
    return row["flavor"] == "small" and _is_recorded_healthy(row)


def healthy(shell: Shell) -> int:
    rows = json.loads(shell.run("status", "--output", "json"))
    return sum(_is_recorded_healthy(row) for row in rows)


def _is_recorded_healthy(row: dict[str, str]) -> bool:
    """Since when is told only where a daemon has recorded that health."""
    return row["health"] == "Healthy" and bool(row["since"])


def agents(shell: Shell) -> set[tuple[int, float]]:
    """The processes of the guests' agents, by id and when they began."""
    return {
        (process.pid, process.create_time())
        for process in psutil.process_iter(["cmdline"])
        if "guest_agent.agent" in (line := " ".join(process.info["cmdline"] or []))
        and str(shell.repository.parent) in line
    }


def told(shell: Shell) -> str:
    return shell.run("history", "--output", "json")


def test_a_push_to_a_remote_is_applied_when_the_forge_tells_of_it(
    shell: Shell, start: Callable[..., Daemon]
) -> None:
    bare = shell.repository.parent / "specs.git"
    git.Repo(shell.repository).git.branch("-M", "main")
    git.Repo.init(bare, bare=True, initial_branch="main")
    git.Repo(shell.repository).create_remote("origin", str(bare)).push("main")
    where = free_address()
    # It would look again only after ten minutes.
    daemon = start(f"file://{bare}#main", "--listen", where, interval="600")
    daemon.ready(where)
    assert wait_until(lambda: len(servers(shell)) == len(PROJECTS), 60)

    def finished() -> bool:
        states = json.loads(shell.run("status", "--output", "json"))
        return {row["health"] for row in states} == {"Healthy"}

    assert wait_until(finished, 60)
    commit = declare(shell, "small", PROJECTS)
    git.Repo(shell.repository).remote().push("main")
    assert push(where, f"file://{bare}", "a guess") == 403
    assert push(where, "file:///another.git") == 202
    assert flavors(shell) == {"tiny"}
    assert push(where, f"file://{bare}") == 202
    assert wait_until(lambda: flavors(shell) == {"small"}, 60), daemon.log.read_text()
    runs = json.loads(shell.run("history", "--output", "json"))
    assert any(run["revision"].startswith(commit[:12]) for run in runs)

    # Drift: a server process that somebody kills is found at the next look, which sync asks for.
    address = json.loads(shell.run("status", "--output", "json"))[0]["address"]
    killed = next(
        process
        for process in psutil.process_iter(["cmdline"])
        if f"{address}:6379" in " ".join(process.info["cmdline"] or [])
    )
    killed.kill()
    assert wait_until(lambda: not finished(), 30)
    shell.run("sync", "--source", f"file://{bare}#main", "--no-wait")
    assert push(where, f"file://{bare}") == 202
    assert wait_until(finished, 60), daemon.log.read_text()
    assert daemon.end() == 0
