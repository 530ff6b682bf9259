"""Where the write-ahead log is: in the data directory, or on a volume of its own."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from guest_agent.datastores.driver import Place
from guest_agent.toolkit.files import give_to


def settle_wal(place: Place) -> None:
    """Move a log that is in the data directory to its volume, if there is one for it.

    Called before each start: initdb, a restore and an upgrade leave it with the
    data. It can be interrupted and repeated; the log is at one place or the other.
    """
    volume = place.on("wal")
    inside, aside = place.data / "pg_wal", place.data / "pg_wal.moved"
    if volume is None:
        return
    if not inside.is_symlink() and inside.exists():
        fresh = volume / "pg_wal.new"
        shutil.rmtree(fresh, ignore_errors=True)
        shutil.copytree(inside, fresh)
        for path in (fresh, *fresh.rglob("*")):
            give_to(path, place.server_user)
        os.sync()  # The copy is all there is of it once the original is gone.
        # What stands there belongs to data that this directory took the place of.
        shutil.rmtree(volume / "pg_wal", ignore_errors=True)
        fresh.rename(volume / "pg_wal")
        inside.rename(aside)
    if not inside.is_symlink() and (aside.exists() or _is_data(place.data)):
        inside.symlink_to(volume / "pg_wal")
    shutil.rmtree(aside, ignore_errors=True)


def _is_data(folder: Path) -> bool:
    return (folder / "PG_VERSION").exists()
