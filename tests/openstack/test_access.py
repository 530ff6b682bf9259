"""Security groups and fixed addresses on a real Neutron."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from executors.cloud.openstack import OpenStackCloud, Setup
from planners.observed import Group
from tests.devcloud import bootstrap
from tests.support.openstack import OpenStackWorld, own_network

CACHE = """
apiVersion: gitrove/v1
kind: Instance
metadata: {name: cache}
spec: {datastore: {name: redis}, flavor: tiny, volume: {size: 1}, access: {%s}}
"""


def group(world: OpenStackWorld) -> Group:
    (found,) = (
        g for g in world.cloud.observe().groups if g.metadata["gitrove:project"] == world.project
    )
    return found


@pytest.fixture
def owner(openstack_world: OpenStackWorld) -> Iterator[OpenStackWorld]:
    """The world, on a network of its own."""
    world, name = openstack_world, f"own-{openstack_world.project}"
    with own_network(world.layout, name, "127.78.9.0/24"):
        world.cloud = OpenStackCloud(Setup("devcloud-tests", name))
        yield world
        world.converge(world.desire(""))


def test_a_group_lives_with_its_instance_and_is_kept_as_declared(
    owner: OpenStackWorld,
) -> None:
    world = owner
    before = world.held()
    open_to = 'allowedCidrs: ["10.0.0.0/8", "192.0.2.0/24"]'
    wanted = world.desire(CACHE % f'{open_to}, address: "127.78.9.9", floatingNetwork: public')
    assert world.converge(wanted).actions == []
    assert world.address("cache") == "127.78.9.9"
    (floating,) = world.cloud.observe().floating
    assert floating.address.startswith("203.0.113.")
    made = group(world)
    assert (made.cidrs, made.database) == (["10.0.0.0/8", "192.0.2.0/24"], 6379)
    assert made.port == world.server("cache").port
    with bootstrap.connected(world.layout, "devcloud-tests") as connection:
        network: Any = connection.network
        network.create_security_group_rule(
            security_group_id=made.id, direction="ingress", protocol="tcp", port_range_min=22,
            port_range_max=22, remote_ip_prefix="0.0.0.0/0",
        )  # fmt: skip
        (action,) = world.plan(wanted).actions
        assert action.item == "security group"
        assert world.converge(wanted).actions == []
        assert group(world) == made
        port = network.get_port(made.port)
        default = network.find_security_group("default")
        assert sorted(port.security_group_ids) == sorted([default.id, made.id])
        network.update_port(port, security_groups=[default.id])
    assert world.converge(wanted).actions == []
    assert group(world).port == made.port
    narrower = world.desire(CACHE % 'allowedCidrs: ["10.0.0.0/8"], address: "127.78.9.9"')
    assert world.converge(narrower).actions == []
    assert group(world).cidrs == ["10.0.0.0/8"]
    moved = world.desire(CACHE % 'allowedCidrs: ["10.0.0.0/8"], address: "127.78.9.10"')
    (obstacle,) = world.plan(moved).obstacles
    assert "cannot become 127.78.9.10" in obstacle.text
    assert world.converge(world.desire(CACHE % "")).actions == []
    assert world.held() == before | {
        kind: before[kind] + 1 for kind in ("servers", "volumes", "ports")
    }
    world.converge(wanted)
    world.converge(world.desire(""))
    assert world.held() == before


def test_the_groups_that_a_cloud_names_stand_beside_its_own(
    openstack_world: OpenStackWorld,
) -> None:
    world = openstack_world
    with bootstrap.connected(world.layout, "devcloud-tests") as connection:
        network: Any = connection.network
        agents = network.create_security_group(name=f"agents-{world.project}")
        try:
            world.cloud = OpenStackCloud(
                Setup("devcloud-tests", "databases", "RegionOne", [agents.name])
            )
            wanted = world.desire(CACHE % 'allowedCidrs: ["10.0.0.0/8"]')
            assert world.converge(wanted).actions == []
            port = network.get_port(world.server("cache").port)
            assert sorted(port.security_group_ids) == sorted([agents.id, group(world).id])
            assert world.converge(world.desire("")).actions == []
        finally:
            network.delete_security_group(agents)
