"""A server process is found again whatever becomes of the one that started it."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from guest_agent.toolkit.processes import ServerProcess, wait_until

SLEEP = ["/usr/bin/sleep", "120"]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ServerProcess]:
    process = ServerProcess(tmp_path / "process", tmp_path / "log")
    yield process
    process.stop()


def killed_right_after_spawning(server: ServerProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    """``kill -9`` of a starter at the earliest moment at which its process exists."""
    child = os.fork()
    if child == 0:
        spawn = subprocess.Popen

        def spawn_and_die(*arguments: object, **options: object) -> None:
            spawn(*arguments, **options)  # type: ignore[call-overload]
            os.kill(os.getpid(), signal.SIGKILL)

        monkeypatch.setattr(subprocess, "Popen", spawn_and_die)
        try:
            server.start(SLEEP)
        finally:
            os._exit(1)
    assert os.WIFSIGNALED(os.waitpid(child, 0)[1])


def test_the_process_of_a_killed_starter_is_not_started_twice(
    server: ServerProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    killed_right_after_spawning(server, monkeypatch)
    server.start(SLEEP)
    assert wait_until(server.running, 5)
    found = server.find()
    assert found is not None
    others = subprocess.run(
        ["pgrep", "-g", str(os.getpgid(found.pid))], capture_output=True, text=True, check=True
    )
    assert others.stdout.split() == [str(found.pid)]
    first = found.pid
    server.start(SLEEP)
    again = server.find()
    assert again is not None
    assert again.pid == first


def test_a_pid_that_somebody_else_has_now_is_not_the_server(
    server: ServerProcess, tmp_path: Path
) -> None:
    server.start(SLEEP)
    assert server.running()
    record = tmp_path / "process"
    found = server.find()
    assert found is not None
    record.write_text(record.read_text().replace(str(found.pid), str(os.getpid())))
    assert not server.running()
    found.kill()


def test_what_ended_is_not_running(server: ServerProcess) -> None:
    server.start(SLEEP)
    server.stop()
    assert not server.running()
    server.start(["/usr/bin/true"])
    assert wait_until(lambda: not server.running(), 5)


def test_what_somebody_else_starts_while_one_waits_for_an_end_is_left_alone(
    server: ServerProcess, tmp_path: Path
) -> None:
    asked, ready = tmp_path / "asked", tmp_path / "ready"
    loop = f"trap 'touch {asked}' TERM; touch {ready}; while :; do sleep 0.1; done"
    server.start(["sh", "-c", loop])
    first = server.find()
    assert first is not None and wait_until(ready.exists, 5)
    newer = ServerProcess(tmp_path / "newer", tmp_path / "log")
    newer.start(SLEEP)
    stopping = threading.Thread(target=server.stop, kwargs={"deadline": 5.0})
    stopping.start()
    assert wait_until(asked.exists, 5)
    (tmp_path / "process").write_text((tmp_path / "newer").read_text())
    first.kill()
    stopping.join(4)
    assert not stopping.is_alive() and newer.running()
    newer.stop()
