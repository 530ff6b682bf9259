"""A server process that outlives the program that started it.

A record beside the data names the process by boot, pid and start time, so that
a reused pid is never mistaken for the server, and never signalled. The process
writes it itself before it becomes the server: whoever starts it may be killed
at any moment, and the next one still finds it.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

import psutil

from guest_agent.contract.errors import GuestError

_PIPE = 1 << 20
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
# Standard input is the record. Its lock, which starters wait for, goes with it to the new process.
_RECORD_AND_BECOME = f"""
read -r boot < {_BOOT_ID}; read -r stat < /proc/$$/stat
echo "$boot $stat" >&0; exec "$@" < /dev/null
"""


class ServerProcess:
    """One long-running process, found again through its *record* file."""

    def __init__(self, record: Path, log: Path) -> None:
        self._record = record
        self._log = log

    def start(self, command: Sequence[str], user: str = "") -> None:
        """Start *command* in a session of its own, as *user* when one is named."""
        with self._claimed() as record:
            if self.running():
                return
            os.ftruncate(record, 0)
            with self._log.open("ab") as log:
                subprocess.Popen(
                    ["/bin/sh", "-c", _RECORD_AND_BECOME, "sh", *command],
                    stdin=record,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                    cwd="/",
                    **_credentials(user),
                )
        with self._claimed():
            pass  # The process has let go of its record, so it is written.

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
            boot, pid, *rest = self._record.read_text().split()
            process = psutil.Process(int(pid))
            now = Path(f"/proc/{pid}/stat").read_text()
        except (OSError, ValueError, psutil.Error):
            return None
        state, born = _state_and_birth(now)
        if (boot, _state_and_birth(" ".join(rest))[1]) != (_BOOT_ID.read_text().strip(), born):
            return None
        if state == "Z":
            _reap(process.pid)
            return None
        return process

    @contextlib.contextmanager
    def _claimed(self) -> Iterator[int]:
        """The record, open, while nobody else starts this process."""
        record = os.open(self._record, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(record, fcntl.LOCK_EX)
            yield record
        finally:
            os.close(record)

    def stop(self, sent: signal.Signals = signal.SIGTERM, deadline: float = 60.0) -> None:
        """Ask the process to end and wait; after *deadline* seconds, kill it.

        One that somebody else starts meanwhile is left alone.
        """
        process = self.find()
        if process is None:
            return
        with contextlib.suppress(psutil.NoSuchProcess):
            process.send_signal(sent)
            if not wait_until(lambda: self.find() != process, deadline):
                process.kill()
                wait_until(lambda: self.find() != process, deadline)

    def log_tail(self, lines: int = 20) -> str:
        try:
            with self._log.open("rb") as stream:
                stream.seek(max(0, self._log.stat().st_size - 16_384))
                return "\n".join(stream.read().decode(errors="replace").splitlines()[-lines:])
        except OSError:
            return ""


def run(
    command: Sequence[str],
    user: str = "",
    deadline: float = 300.0,
    environment: Mapping[str, str] | None = None,
    folder: Path = Path("/"),
    inherited: Sequence[int] = (),
) -> str:
    """Run a command in *folder* to its end and return its output. Raises GuestError.

    It, and what it starts, keeps the file descriptors *inherited*.
    """
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=deadline,
            cwd=folder,
            pass_fds=inherited,
            env={**os.environ, **(environment or {})},
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


@contextlib.contextmanager
def reading(
    command: Sequence[str], log: Path, user: str = "", environment: Mapping[str, str] | None = None
) -> Iterator[IO[bytes]]:
    """The output of *command* as a stream; its errors go to *log*.

    Raises GuestError with the log's end when the command fails. It is killed
    when the body fails.
    """
    with log.open("wb") as errors:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            pipesize=_PIPE,
            stderr=errors,
            cwd="/",
            env={**os.environ, **(environment or {})},
            **_credentials(user),
        )
    with _watched(process, command, log):
        assert process.stdout is not None
        with process.stdout as stream:
            yield stream


@contextlib.contextmanager
def writing(
    command: Sequence[str], log: Path, user: str = "", environment: Mapping[str, str] | None = None
) -> Iterator[IO[bytes]]:
    """The input of *command* as a stream; its output and errors go to *log*. Raises GuestError."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd="/",
            env={**os.environ, **(environment or {})},
            **_credentials(user),
        )
    with _watched(process, command, log):
        assert process.stdin is not None
        with contextlib.suppress(BrokenPipeError), process.stdin as stream:
            yield stream


@contextlib.contextmanager
def _watched(process: subprocess.Popen[bytes], command: Sequence[str], log: Path) -> Iterator[None]:
    try:
        yield
    except BaseException:
        process.kill()
        process.wait()
        raise
    if status := process.wait():
        name = Path(command[0]).name
        text = log.read_text(errors="replace")
        raise GuestError(f"{name} failed with exit status {status}", _ends(text))


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


def _state_and_birth(stat: str) -> tuple[str, str]:
    """State and start time, in ticks since boot, from a line of /proc/PID/stat (proc(5))."""
    fields = stat.rpartition(")")[2].split()
    return fields[0], fields[19]


def _credentials(user: str) -> dict[str, Any]:
    return {"user": user, "group": user, "extra_groups": []} if user else {}


def _reap(pid: int) -> None:
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)
