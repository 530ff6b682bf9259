"""Files that are written whole or not at all."""

from __future__ import annotations

import os
import pwd
import shutil
from pathlib import Path


def write_atomically(path: Path, content: str, mode: int = 0o600, owner: str = "") -> None:
    """Replace *path* by *content* in one step that survives a power failure."""
    scratch = path.with_name(f".{path.name}.new")
    descriptor = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with os.fdopen(descriptor, "w") as stream:
        os.fchmod(stream.fileno(), mode)
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())
    give_to(scratch, owner)
    os.replace(scratch, path)


def give_to(path: Path, owner: str) -> None:
    """Make *owner* (a user's name; empty means nobody new) the owner of *path*."""
    if owner:
        shutil.chown(path, owner, pwd.getpwnam(owner).pw_gid)


def make_folder(path: Path, mode: int = 0o700, owner: str = "") -> Path:
    path.mkdir(parents=True, exist_ok=True)
    path.chmod(mode)
    give_to(path, owner)
    return path


def used_bytes(folder: Path) -> int:
    """Bytes allocated below *folder*; files that vanish meanwhile do not count."""
    total = 0
    pending = [folder]
    while pending:
        try:
            entries = list(os.scandir(pending.pop()))
        except OSError:
            continue
        for entry in entries:
            try:
                if entry.is_dir(follow_symlinks=False):
                    pending.append(Path(entry.path))
                else:
                    total += entry.stat(follow_symlinks=False).st_blocks * 512
            except OSError:
                continue
    return total
