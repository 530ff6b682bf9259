"""A server process that outlives the program that started it.

A record beside the data names the process by pid and start time, so that a
reused pid is never mistaken for the server, and never signalled.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import psutil

from guest_agent.contract.errors import GuestError
from guest_agent.toolkit.files import write_atomically

_START_TIME_TOLERANCE = 1.0


class ServerProcess:
    """One long-running process, found again through its *record* file."""

    def __init__(self, record: Path, log: Path) -> None:
        self._record = record
        self._log = log

    def start(self, command: Sequence[str], user: str = "") -> None:
        """Start *command* in a session of its own, as *user* when one is named."""
        if self.running():
            return
        with self._log.open("ab") as log:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                cwd="/",
                **_credentials(user),
            )
        born = psutil.Process(process.pid).create_time()
        write_atomically(self._record, json.dumps({"pid": process.pid, "born": born}))

    def start_until(
        self,
        answers: Callable[[], bool],
        command: Sequence[str],
        user: str = "",
        deadline: float = 120.0,
    ) -> None:
        """Start *command* and wait until it *answers*. Raises GuestError with the log's end."""
        self.start(command, user)
        name = Path(command[0]).name
        if not wait_until(lambda: answers() or not self.running(), deadline):
            raise GuestError(f"{name} did not answer within {deadline:.0f} s", self.log_tail())
        if not self.running():
            raise GuestError(f"{name} did not start", self.log_tail())

    def running(self) -> bool:
        return self.find() is not None

    def find(self) -> psutil.Process | None:
        """The live process of the record, or None."""
        try:
            record = json.loads(self._record.read_text())
            process = psutil.Process(record["pid"])
            same = abs(process.create_time() - record["born"]) < _START_TIME_TOLERANCE
            if process.status() == psutil.STATUS_ZOMBIE:
                _reap(process.pid)
                return None
        except (OSError, ValueError, KeyError, psutil.Error):
            return None
        return process if same else None

    def stop(self, sent: signal.Signals = signal.SIGTERM, deadline: float = 60.0) -> None:
        """Ask the process to end and wait; after *deadline* seconds, kill it."""
        process = self.find()
        if process is None:
            return
        process.send_signal(sent)
        if not wait_until(lambda: self.find() is None, deadline):
            process.kill()
            wait_until(lambda: self.find() is None, deadline)

    def log_tail(self, lines: int = 20) -> str:
        try:
            with self._log.open("rb") as stream:
                stream.seek(max(0, self._log.stat().st_size - 16_384))
                return "\n".join(stream.read().decode(errors="replace").splitlines()[-lines:])
        except OSError:
            return ""


def run(command: Sequence[str], user: str = "", deadline: float = 300.0) -> str:
    """Run a short command to its end and return its output. Raises GuestError."""
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=deadline,
            cwd="/",
            check=False,
            **_credentials(user),
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise GuestError(f"cannot run {Path(command[0]).name}: {error}") from error
    output: str = done.stdout.decode(errors="replace")
    if done.returncode:
        raise GuestError(
            f"{Path(command[0]).name} failed with exit status {done.returncode}", _ends(output)
        )
    return output


def _ends(output: str, size: int = 4000) -> str:
    """The beginning and the end of a long output: errors come first or last."""
    return output if len(output) <= 2 * size else f"{output[:size]}\n…\n{output[-size:]}"


def wait_until(condition: Callable[[], bool], deadline: float, pause: float = 0.05) -> bool:
    """Poll *condition* for at most *deadline* seconds; whether it came true."""
    limit = time.monotonic() + deadline
    while not condition():
        if time.monotonic() > limit:
            return False
        time.sleep(pause)
    return True


def _credentials(user: str) -> dict[str, Any]:
    return {"user": user, "group": user, "extra_groups": []} if user else {}


def _reap(pid: int) -> None:
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)
