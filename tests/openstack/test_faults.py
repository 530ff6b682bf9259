"""Every call to the cloud goes wrong once, in each way that calls go wrong."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from executors import openstack_api
from executors.cloud import user_data
from executors.cloud.openstack import OpenStackCloud, Setup
from executors.errors import ActionError
from executors.keys import ControlKey
from guest_agent.toolkit.processes import wait_until
from reconciler.applying import Stale
from specs.desired import Desired
from tests.devcloud import bootstrap
from tests.devcloud import layout as ports
from tests.devcloud.layout import Layout
from tests.support.fault_proxy import Fault, FaultProxy, OnceEach
from tests.support.openstack import ONE_OF_EACH, OpenStackWorld, clouds_with, more
from tests.support.texts import ONE_CACHE

_SERVICES = {
    "compute": f"http://127.0.0.1:{ports.NOVA}/v2.1",
    "network": f"http://127.0.0.1:{ports.NEUTRON}/v2.0",
    "block_storage": f"http://127.0.0.1:{ports.CINDER}/v3",
}
_WITHOUT_LOGIN = (("GET", "/v3"), ("GET", "/v3/"))
_IDENTIFIER = re.compile(r"[0-9a-f]{8}-[0-9a-f-]{27}|[0-9a-f]{32}")


def kind_of(method: str, path: str) -> tuple[str, str]:
    return method, _IDENTIFIER.sub("ID", path.partition("?")[0])


@contextmanager
def faulty(world: OpenStackWorld, fault: Fault) -> Iterator[OpenStackWorld]:
    """*world*, reached through proxies that do as *fault* says."""
    proxies = {service: FaultProxy(url, fault) for service, url in _SERVICES.items()}
    login = json.loads(world.layout.clouds.read_text())["clouds"]["devcloud-tests"]["auth"]
    auth = FaultProxy(ports.AUTH, fault)
    overrides: dict[str, Any] = {
        f"{service}_endpoint_override": proxy.url for service, proxy in proxies.items()
    }
    overrides["auth"] = login | {"auth_url": auth.url}
    proxies["identity"] = auth
    # The SDK takes no other address for images; the catalogue's second region has one.
    proxies["image"] = FaultProxy(f"http://127.0.0.1:{ports.GLANCE}", fault)
    path = clouds_with("faulty", overrides, world.layout, world.folder)
    with (
        pytest.MonkeyPatch.context() as patch,
        _images_at(proxies["image"].url, world.layout),
    ):
        patch.setenv("OS_CLIENT_CONFIG_FILE", str(path))
        through = world.again()
        through.cloud = OpenStackCloud(Setup("faulty", "databases", ports.SECOND_REGION))
        try:
            yield through
        finally:
            through.journal.close()
            for proxy in proxies.values():
                proxy.close()


@contextmanager
def _images_at(url: str, layout: Layout) -> Iterator[None]:
    """Have the second region's catalogue lead to *url* for images."""
    with bootstrap.connected(layout, "devcloud-admin") as admin:
        identity: Any = admin.identity
        service = identity.find_service("glance", ignore_missing=False)
        found = list(identity.endpoints(service_id=service.id, region_id=ports.SECOND_REGION))
        before = {endpoint.id: endpoint.url for endpoint in found}
        assert before
        for endpoint in found:
            identity.update_endpoint(endpoint, url=url)
        try:
            yield
        finally:
            for endpoint in found:
                identity.update_endpoint(endpoint.id, url=before[endpoint.id])


def converges(world: OpenStackWorld, desired: Desired) -> bool:
    """Whether the next plan is empty; what went wrong on the way is tried again."""
    try:
        while world.plan(desired).actions:
            if not world.apply(desired).succeeded:
                return False
    except (ActionError, Stale):
        return False
    return True


@pytest.mark.parametrize(
    "fault", ["401", "403", "409", "413", "429", "500", "503", "reset", "lost"]
)
def test_each_call_goes_wrong_once_and_there_is_one_of_each_piece(
    openstack_world: OpenStackWorld, fault: str
) -> None:
    before = openstack_world.held()
    # keystoneauth waits for itself when Keystone's discovery, which takes no login, is refused
    # for want of one; no Keystone does that.
    chosen = OnceEach(fault, kind_of, _WITHOUT_LOGIN if fault == "401" else ())
    with faulty(openstack_world, chosen) as world:
        desired = world.desire(ONE_CACHE)
        assert wait_until(lambda: converges(world, desired), 120, 0.2)
        held = openstack_world.held()
        assert more(held, before) == ONE_OF_EACH
        assert wait_until(lambda: converges(world, world.desire("")), 120, 0.2)
    assert openstack_world.held() == before
    assert any(path.endswith("/images") for _, path in chosen.seen)
    methods = {method for method, _ in chosen.seen}
    assert methods == {"GET", "POST", "PUT", "DELETE"} and len(chosen.seen) > 15


def test_a_call_that_hangs_is_given_up_and_repeated(
    openstack_world: OpenStackWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(openstack_api, "_CALL_SECONDS", 3)
    hung: list[str] = []
    lock = threading.Lock()

    def once(method: str, path: str) -> str:
        """Each kind of creation hangs once, and one look."""
        kind = f"{method} {_IDENTIFIER.sub('ID', path.partition('?')[0])}"
        with lock:
            if kind in hung or not (method == "POST" or path.startswith("/v2.1/servers/detail")):
                return ""
            hung.append(kind)
        return "hang"

    before = openstack_world.held()
    with faulty(openstack_world, once) as world:
        desired = world.desire(ONE_CACHE)
        assert wait_until(lambda: converges(world, desired), 180, 0.2)
    held = openstack_world.held()
    assert more(held, before) == ONE_OF_EACH
    assert {kind.rpartition("/")[2] for kind in hung} >= {"servers", "volumes", "ports", "detail"}


def test_two_servers_with_one_identity_stop_everything(openstack_world: OpenStackWorld) -> None:
    world = openstack_world
    desired = world.desire(ONE_CACHE)
    assert world.converge(desired).actions == []
    ours = world.server("cache")
    with bootstrap.connected(world.layout, "devcloud-tests") as connection:
        api: Any = connection
        image = next(i for i in api.image.images() if i.name.startswith("redis"))
        twin = api.compute.create_server(
            name="twin",
            flavor_id=api.compute.find_flavor("tiny").id,
            image_id=image.id,
            networks="none",
            metadata=ours.metadata,
        )
        try:
            (obstacle,) = world.plan(desired).obstacles
            assert "2 servers carry its identity" in obstacle.text
            assert ours.id in obstacle.text and twin.id in obstacle.text
            assert world.plan(desired).actions == []
            nothing = world.plan(world.desire(""))
            assert nothing.actions == [] and nothing.obstacles
        finally:
            api.compute.delete_server(twin.id)
            api.compute.wait_for_delete(api.compute.get_server(twin.id))
    assert world.converge(desired).actions == []


def test_user_data_that_nova_refuses_is_told_and_leaves_no_server(
    openstack_world: OpenStackWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = openstack_world
    before = world.held()
    desired = world.desire(ONE_CACHE)
    with monkeypatch.context() as patch:
        # More than the guest needs, and our own check of it gone.
        patch.setattr(user_data, "_MOST_BYTES", 1 << 30)
        patch.setattr(ControlKey, "agent_password", lambda *_: "x" * 60_000)
        told = [each.message for each in world.apply(desired).failed]
    assert any("cannot create the server" in text for text in told), told
    assert not any("xxx" in text for text in told)
    assert more(world.held(), before) == {"volumes": 1, "ports": 1}
    assert not world.converge(desired).actions
    assert not world.converge(world.desire("")).actions
    assert world.held() == before
