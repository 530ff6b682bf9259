"""What the next devcloud can use again: the services' packages, and a migrated cloud."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

from tests.devcloud.layout import HERE, Layout

_LOCK = HERE / "requirements.lock"
_MADE_BY = ("requirements.lock", "bootstrap.py", "configuration.py", "layout.py")
_KEPT = ("mysql", "state", "glance", "swift", "etc/swift")


def install(layout: Layout) -> None:
    """The services from PyPI, once for each ``requirements.lock``. Raises CalledProcessError."""
    wanted = hashlib.sha256(_LOCK.read_bytes()).hexdigest()
    stamp = layout.venv / ".installed"
    if stamp.exists() and stamp.read_text() == wanted:
        return
    shutil.rmtree(layout.venv, ignore_errors=True)
    subprocess.run([sys.executable, "-m", "venv", str(layout.venv)], check=True)
    pip = [layout.program("pip"), "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "-r", str(_LOCK)], check=True)
    stamp.write_text(wanted)


def save(layout: Layout) -> None:
    """Keep the state of a cloud that is stopped."""
    template = _template(layout)
    fresh = template.with_name(f".{template.name}.{os.getpid()}")
    fresh.mkdir(parents=True)
    for name in _KEPT:
        target = fresh / name
        target.parent.mkdir(parents=True, exist_ok=True)
        subprocess.run(["cp", "-a", str(layout.run / name), str(target)], check=True)
    try:
        fresh.rename(template)
    except OSError:
        shutil.rmtree(fresh)  # Another was faster.


def restore(layout: Layout) -> bool:
    """Put the kept state back; whether there was one."""
    template = _template(layout)
    if not template.is_dir():
        return False
    for name in _KEPT:
        target = layout.run / name
        shutil.rmtree(target, ignore_errors=True)
        target.parent.mkdir(parents=True, exist_ok=True)
        subprocess.run(
            ["cp", "-a", "--reflink=auto", str(template / name), str(target)], check=True
        )
    return True


def _template(layout: Layout) -> Path:
    digest = hashlib.sha256(str(layout.run).encode())
    for name in _MADE_BY:
        digest.update((HERE / name).read_bytes())
    return layout.cache / f"template-{digest.hexdigest()[:16]}"
