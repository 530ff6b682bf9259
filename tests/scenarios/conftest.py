"""What stories on the local cloud begin with."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.shell import Shell


@pytest.fixture
def shell(short_folder: Path) -> Iterator[Shell]:
    """A repository that ``gitrove init`` made; whatever it runs is stopped at the end."""
    shell = Shell(short_folder)
    shell.run("init", "shop")
    yield shell
    shell.run("local", "down")
