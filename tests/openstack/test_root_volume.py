"""A server that boots from a volume, which grows and outlives it."""

from __future__ import annotations

from planners.steps import CreateVolume, ExtendVolume
from tests.openstack.test_instances import THREE, store
from tests.support.openstack import OpenStackWorld, more

LAYOUT = """
apiVersion: gitrove/v1
kind: VolumeLayout
metadata: {name: split}
spec: {volumes: [{kind: root, size: %d, type: fast}, {kind: data, size: 1}]}
---"""
CACHE = THREE.split("---")[2].replace("volume: {size: 1}", "volumeLayout: split")


def test_it_grows_outlives_its_server_and_ends_with_the_instance(
    openstack_world: OpenStackWorld,
) -> None:
    world = openstack_world
    before = world.held()
    desired = world.desire(LAYOUT % 2 + CACHE)
    assert not world.converge(desired).actions
    store(world, "SET colour red")
    first = world.server("cache")
    assert first.image
    (root,) = [
        v for v in world.cloud.observe().volumes if v.server == first.id and v.kind == "root"
    ]
    assert root.type == "fast"
    folder = world.layout.run / "guests" / first.id / "root"
    assert root.id in str(folder.resolve())

    desired = world.desire(LAYOUT % 3 + CACHE)
    (extended,) = [each.step for each in world.plan(desired).actions]
    assert isinstance(extended, ExtendVolume)
    assert extended.volume == root.id
    assert not world.converge(desired).actions

    # A person deletes the server; another boots from the same disk, with a key of its own.
    world.cloud.delete_server(first.id)
    assert not any(isinstance(each.step, CreateVolume) for each in world.plan(desired).actions)
    assert not world.converge(desired).actions
    assert store(world, "GET colour") == "red"
    assert world.server("cache").metadata["gitrove:salt"] != first.metadata["gitrove:salt"]

    # Without the server its root disk is nothing that anybody would miss.
    world.cloud.delete_server(world.server("cache").id)
    world.cloud.delete_volume(root.id)
    assert not world.converge(desired).actions
    assert store(world, "GET colour") == "red"
    assert not world.converge(world.desire("")).actions
    assert more(world.held(), before) == {}
