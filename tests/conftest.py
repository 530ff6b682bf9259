"""Fixtures for every test."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.worlds import SimulatedWorld


@pytest.fixture
def world() -> SimulatedWorld:
    """A simulated world in memory."""
    return SimulatedWorld.create()


@pytest.fixture
def durable_world(tmp_path: Path) -> SimulatedWorld:
    """A simulated world on disk, which outlives the process that uses it."""
    return SimulatedWorld.create(tmp_path)
