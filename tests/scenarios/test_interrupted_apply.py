"""Ctrl-C during an apply on real servers: once stops cleanly, twice at once; both go on later."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.shell import Shell


@pytest.fixture
def shell(short_folder: Path) -> Iterator[Shell]:
    shell = Shell(short_folder)
    shell.run("init", "shop")
    shell.commit()
    yield shell
    shell.run("local", "down")


def finish(shell: Shell) -> None:
    shell.run("apply", "--yes")
    assert "No changes" in shell.run("plan", "--detailed-exitcode")
    state = json.loads(shell.run("observe"))["cloud"]
    for pieces in ("servers", "volumes", "ports"):
        assert sorted(each["name"] for each in state[pieces]) == ["cache", "ledger", "orders"]


def test_once_finishes_what_runs_and_starts_nothing_more(shell: Shell) -> None:
    with shell.start("apply", "--yes") as process:
        assert process.stdout is not None
        told = ""
        while "create server" not in told or "done" not in told:
            told += process.stdout.readline()
        process.send_signal(signal.SIGINT)
        told += process.stdout.read()
    assert process.returncode == 1, told
    assert "Stopping when the running actions are done" in told
    assert "It was stopped; run apply again to go on." in told
    runs = json.loads(shell.run("history", "--output", "json"))
    assert "stopped" in json.dumps(runs)
    finish(shell)


def test_twice_ends_at_once_and_the_next_apply_goes_on(shell: Shell) -> None:
    with shell.start("apply", "--yes") as process:
        assert process.stdout is not None
        while "done" not in process.stdout.readline():
            pass
        process.send_signal(signal.SIGINT)
        while "Stopping" not in process.stdout.readline():
            pass
        process.send_signal(signal.SIGINT)
        process.stdout.read()
    assert process.returncode == 130
    finish(shell)
