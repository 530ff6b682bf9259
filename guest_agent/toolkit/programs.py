"""Programs of a database server: where they are, and of which version."""

from __future__ import annotations

import os
import re
import shutil
from functools import lru_cache
from pathlib import Path

from guest_agent.contract.errors import GuestError
from guest_agent.toolkit.processes import run

_SYSTEM = "/usr/sbin:/usr/bin:/sbin:/bin"
_VERSION = re.compile(r"\d+(\.\d+)+")


def program(name: str) -> str:
    """The path of *name*, by PATH and where systems keep servers. Raises GuestError."""
    found = shutil.which(name, path=f"{os.environ.get('PATH', '')}:{_SYSTEM}")
    if found is None:
        raise GuestError(f"the program {name} is not installed")
    return found


@lru_cache
def line_of(path: str, parts: int) -> str:
    """The first *parts* numbers of the version that the program tells. Raises GuestError."""
    told = run([path, "--version"])
    found = _VERSION.search(told)
    if found is None:
        raise GuestError(f"{Path(path).name} does not tell its version", told)
    return ".".join(found[0].split(".")[:parts])
