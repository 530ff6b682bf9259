"""The data volume of a machine: found by its serial, formatted only when blank, mounted.

A device that holds anything at all, known or not, is never formatted: a row
that was there stays there.
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
_END_BYTES = 4 << 20

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
    if _is_blank(device):
        run(["mkfs.ext4", "-q", str(device)])
        return
    probe = ["blkid", "--probe", "-o", "value", "-s", "TYPE", str(device)]
    found = subprocess.run(probe, capture_output=True, text=True, check=False)
    if not found.stdout.strip():
        text = f"the data volume {device} holds something that is no file system"
        raise GuestError(f"{text}; it is left as it is", found.stderr)


def _is_blank(device: Path) -> bool:
    """Whether both ends are zeros, where everything that is kept on disks has its marks.

    blkid(8) does not help here: it says of what it does not know that it is empty.
    """
    with device.open("rb") as opened:
        first = opened.read(_END_BYTES)
        opened.seek(-min(_END_BYTES, opened.seek(0, os.SEEK_END)), os.SEEK_END)
        return not any(first) and not any(opened.read(_END_BYTES))


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
