"""The data volume of a machine: found by its serial, formatted only when blank, mounted.

A device that holds anything at all, known or not, is never formatted: a row
that was there stays there (blkid(8) and its exit status 2 tell a blank one).
"""

from __future__ import annotations

import logging
import os
import subprocess
import threading
import time
from pathlib import Path

from guest_agent.contract.errors import GuestError
from guest_agent.toolkit.processes import run, wait_until

_APPEAR_SECONDS = 120.0
_LOOK_SECONDS = 15.0
_BLANK = 2

log = logging.getLogger("guest_agent")


def attach(device: Path, place: Path, deadline: float = _APPEAR_SECONDS) -> None:
    """Make what *device* holds appear at *place*. Raises GuestError.

    A device that is a folder, as containers and tests have them, is linked.
    """
    if not wait_until(device.exists, deadline):
        raise GuestError(f"the data volume {device} did not appear within {deadline:.0f} s")
    place.parent.mkdir(parents=True, exist_ok=True)
    if device.is_dir():
        place.unlink(missing_ok=True)
        place.symlink_to(device.resolve())
        return
    if not place.is_mount():
        format_blank(device)
        place.mkdir(exist_ok=True)
        run(["mount", "-o", "noatime", str(device), str(place)])
    threading.Thread(target=_follow_size, args=(device,), daemon=True).start()


def format_blank(device: Path) -> None:
    """Make a file system on *device*, unless anything is on it. Raises GuestError."""
    probe = ["blkid", "--probe", "-o", "export", str(device)]
    found = subprocess.run(probe, capture_output=True, text=True, check=False)
    if found.returncode == _BLANK:
        run(["mkfs.ext4", "-q", str(device)])
    elif found.returncode or "TYPE=" not in found.stdout:
        text = f"the data volume {device} holds something that is no file system"
        raise GuestError(f"{text}; it is left as it is", found.stdout + found.stderr)


def _follow_size(device: Path) -> None:
    """Let the file system fill its device, now and whenever that was extended."""
    filled = 0
    while True:
        with device.open("rb") as opened:
            size = opened.seek(0, os.SEEK_END)
        if size != filled:
            try:
                run(["resize2fs", str(device)])
                filled = size
            except GuestError as error:
                log.warning("the file system of %s does not grow: %s", device, error.message)
        time.sleep(_LOOK_SECONDS)
