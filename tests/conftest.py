"""Fixtures for every test."""

from __future__ import annotations

import random
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.worlds import LocalWorld, SimulatedWorld


@pytest.fixture
def world() -> SimulatedWorld:
    """A simulated world in memory."""
    return SimulatedWorld.create()


@pytest.fixture
def durable_world(tmp_path: Path) -> SimulatedWorld:
    """A simulated world on disk, which outlives the process that uses it."""
    return SimulatedWorld.create(tmp_path)


@pytest.fixture
def network() -> str:
    """A /24 of the loopback range that no other test uses."""
    chance = random.SystemRandom()
    return f"127.{chance.randrange(192, 250)}.{chance.randrange(256)}.0/24"


@pytest.fixture
def short_folder() -> Iterator[Path]:
    """A folder with a short path, since sockets lie in it, that other users may pass through."""
    folder = Path(tempfile.mkdtemp(prefix="gr-"))
    folder.chmod(0o711)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def local_world(short_folder: Path, network: str) -> Iterator[LocalWorld]:
    """Real agents and real servers, which end with the test."""
    world = LocalWorld.at(short_folder / "w", network)
    yield world
    world.remove()
