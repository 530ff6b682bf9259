"""Instances on a real OpenStack are rebuilt from the image of a newer version."""

from __future__ import annotations

from typing import Any

import pytest

from executors.errors import Failed
from planners.steps import UpgradeServer
from tests.devcloud import bootstrap
from tests.openstack.test_instances import THREE, assert_rows, orders, write_rows
from tests.support.openstack import OpenStackWorld

NEW = {"mariadb": ("10.5", "10.11"), "postgresql": ("13", "15"), "redis": ("6.2", "7.0")}


LAYOUT = """
apiVersion: gitrove/v1
kind: VolumeLayout
metadata: {name: split}
spec:
  volumes:
    - {kind: data, size: 2, type: standard}
    - {kind: binlog, size: 1}
    - {kind: root, size: 3, type: fast}
---"""


def of_version(number: int) -> str:
    """The three instances with the older (0) or newer (1) of their versions declared."""
    text = LAYOUT + THREE.replace("volume: {size: 1, type: standard}", "volumeLayout: split")
    for name, versions in NEW.items():
        text = text.replace(f"{{name: {name}}}", f'{{name: {name}, version: "{versions[number]}"}}')
    return text


def test_rows_logins_and_addresses_stay(
    openstack_world: OpenStackWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = openstack_world
    assert not world.converge(world.desire(of_version(0))).actions
    write_rows(world)
    names = ("orders", "ledger", "cache")
    kinds = sorted(v.kind for v in world.cloud.observe().volumes if v.name == "orders")
    assert kinds == ["binlog", "data", "root"]
    assert root_images(world) == ["mariadb-10.5"]
    assert orders(world, "SELECT @@log_bin_basename").endswith("/binlog/binlog/binlog")
    before = {name: (world.server(name).id, world.address(name)) for name in names}

    desired = world.desire(of_version(1))
    plan = world.plan(desired)
    assert all(isinstance(each.step, UpgradeServer) for each in plan.actions)
    # The control plane ends after Nova has rebuilt one of them and before its guest is told.
    call = world.guests.call
    lost = world.server("ledger").metadata["gitrove:id"]

    def cut(endpoint, method, **params):  # type: ignore[no-untyped-def]
        if method == "post_upgrade" and endpoint.instance == lost:
            raise Failed("the control plane is gone")
        return call(endpoint, method, **params)

    monkeypatch.setattr(world.guests, "call", cut)
    assert len(world.apply(desired).failed) == 1
    assert world.report("ledger").upgrades_from == "13"
    monkeypatch.undo()
    (left,) = world.plan(desired).actions
    assert left.address.endswith("/ledger")
    assert not world.converge(desired).actions

    for name, (old, new) in zip(names, NEW.values(), strict=True):
        assert world.report(name).version.startswith(new), old
        assert world.server(name).metadata["gitrove:version"] == new
    assert {name: (world.server(name).id, world.address(name)) for name in names} == before
    assert root_images(world) == ["mariadb-10.11"]
    assert_rows(world)


def root_images(world: OpenStackWorld) -> list[str]:
    """The names of the images that are on volumes to boot from, as Cinder tells them."""
    with bootstrap.connected(world.layout, "devcloud-tests") as connection:
        api: Any = connection
        told = [v.volume_image_metadata for v in api.block_storage.volumes() if v.is_bootable]
    return [each["image_name"] for each in told]
