"""Every call to the cloud goes wrong once, in each way that calls go wrong."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from executors.cloud.openstack import OpenStackCloud, Setup
from executors.errors import ActionError
from guest_agent.toolkit.processes import wait_until
from reconciler.applying import Stale
from specs.desired import Desired
from tests.devcloud import layout as ports
from tests.support.fault_proxy import FaultProxy
from tests.support.openstack import OpenStackWorld
from tests.support.texts import ONE_CACHE

_SERVICES = {
    "compute": f"http://127.0.0.1:{ports.NOVA}/v2.1",
    "network": f"http://127.0.0.1:{ports.NEUTRON}/v2.0",
    "block_storage": f"http://127.0.0.1:{ports.CINDER}/v3",
}
_IDENTIFIER = re.compile(r"[0-9a-f]{8}-[0-9a-f-]{27}|[0-9a-f]{32}")


class OnceEach:
    """Lets the first call of each kind go wrong, and counts them."""

    def __init__(self, fault: str) -> None:
        self._fault = fault
        self._lock = threading.Lock()
        self.seen: set[tuple[str, str]] = set()

    def __call__(self, method: str, path: str) -> str:
        kind = method, _IDENTIFIER.sub("ID", path.partition("?")[0])
        with self._lock:
            if kind in self.seen:
                return ""
            self.seen.add(kind)
        return self._fault


@contextmanager
def faulty(world: OpenStackWorld, fault: OnceEach) -> Iterator[OpenStackWorld]:
    """*world*, reached through proxies that do as *fault* says."""
    proxies = {service: FaultProxy(url, fault) for service, url in _SERVICES.items()}
    clouds = json.loads(world.layout.clouds.read_text())["clouds"]
    overrides = {f"{service}_endpoint_override": proxy.url for service, proxy in proxies.items()}
    clouds["faulty"] = clouds["devcloud-tests"] | overrides
    path = world.folder / "clouds.yaml"
    path.write_text(json.dumps({"clouds": clouds}))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OS_CLIENT_CONFIG_FILE", str(path))
        through = world.again()
        through.cloud = OpenStackCloud(Setup("faulty", "databases"))
        try:
            yield through
        finally:
            through.journal.close()
            for proxy in proxies.values():
                proxy.close()


def converges(world: OpenStackWorld, desired: Desired) -> bool:
    """Whether the next plan is empty; what went wrong on the way is tried again."""
    try:
        while world.plan(desired).actions:
            if not world.apply(desired).succeeded:
                return False
    except (ActionError, Stale):
        return False
    return True


@pytest.mark.parametrize("fault", ["503", "429", "500", "409", "reset", "lost"])
def test_each_call_goes_wrong_once_and_there_is_one_of_each_piece(
    openstack_world: OpenStackWorld, fault: str
) -> None:
    before = openstack_world.held()
    chosen = OnceEach(fault)
    with faulty(openstack_world, chosen) as world:
        desired = world.desire(ONE_CACHE)
        assert wait_until(lambda: converges(world, desired), 120, 0.2)
        held = openstack_world.held()
        assert {kind: held[kind] - before[kind] for kind in before} == {
            "servers": 1, "volumes": 1, "ports": 1, "groups": 0,
        }  # fmt: skip
        assert wait_until(lambda: converges(world, world.desire("")), 120, 0.2)
    assert openstack_world.held() == before
    methods = {method for method, _ in chosen.seen}
    assert methods == {"GET", "POST", "PUT", "DELETE"} and len(chosen.seen) > 15
