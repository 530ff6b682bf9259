"""Keeps two applies of one project apart; the lock ends with the process that holds it."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path


class Locked(Exception):
    """Somebody else is applying; the text says who."""


@contextmanager
def project_locks(folder: Path, projects: Iterable[str]) -> Iterator[None]:
    """Hold the lock of every project, taken in one order. Raises Locked at once if one is held."""
    folder.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        for project in sorted(set(projects)):
            stack.enter_context(_lock(folder / f"{project}.lock", project))
        yield


@contextmanager
def _lock(path: Path, project: str) -> Iterator[None]:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = path.read_text().strip() or "another process"
            text = f"project {project} is being applied by {holder}; wait for it to end"
            raise Locked(text) from None
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"process {os.getpid()}".encode(), 0)
        yield
    finally:
        os.close(descriptor)
