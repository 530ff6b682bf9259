"""A real OpenStack for these tests: the one that runs already, or one that ends with them."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.devcloud import cloud
from tests.devcloud.layout import Layout, here
from tests.support.openstack import OpenStackWorld

_TEST_SECONDS = 600


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Bound each test here, but not the making of a cloud, which belongs to the first."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.timeout(_TEST_SECONDS, func_only=True))


@pytest.fixture(scope="session")
def devcloud() -> Iterator[Layout]:
    layout = here()
    ours = not cloud.running(layout)
    cloud.up(layout, print)
    os.environ["OS_CLIENT_CONFIG_FILE"] = str(layout.clouds)
    yield layout
    if ours:
        cloud.down(layout)


@pytest.fixture
def openstack_world(devcloud: Layout, tmp_path: Path) -> Iterator[OpenStackWorld]:
    """A journal and a key of its own, in a project name that no other test uses."""
    world = OpenStackWorld.at(tmp_path, devcloud, f"shop-{uuid.uuid4().hex[:8]}")
    yield world
    world.remove()
