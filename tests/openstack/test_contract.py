"""The contract of the cloud interface, on OpenStack."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from executors.cloud.openstack import OpenStackCloud, Setup
from tests.conformance.test_clouds import *  # noqa: F403 - the same tests, with another cloud
from tests.devcloud.layout import Layout
from tests.support.openstack import own_network

NETWORK = "contract"


@pytest.fixture
def cloud(devcloud: Layout) -> Iterator[OpenStackCloud]:
    with own_network(devcloud, NETWORK, "127.78.8.0/24"):
        cloud = OpenStackCloud(Setup("devcloud-tests", NETWORK))
        yield cloud
        state = cloud.observe()
        for server in state.servers:
            cloud.delete_server(server.id)
        for volume in state.volumes:
            cloud.delete_volume(volume.id)
        for floating in state.floating:
            cloud.release_floating(floating.id)
        for port in state.ports:
            cloud.delete_port(port.id)
        for group in state.groups:
            cloud.delete_group(group.id)
