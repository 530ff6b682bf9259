"""Figures on an OpenStack, the one that ``make devcloud`` brings up.

    python -m benchmarks.on_openstack observe [--servers 10 100 500]
    python -m benchmarks.on_openstack create [--instances 1 20]
    python -m benchmarks.on_openstack infrastructure --terraform FILE --provider FILE
    python -m benchmarks.on_openstack memory

``observe``: requests and seconds of one look at a cloud, as it holds more. The
servers ask for a flavor that no host has, so that they are records without a
machine. ``create``: from nothing to databases that are prepared, by gitrove and
by the bare SDK's same calls in as many threads. ``infrastructure``: port, volume and
server alone, beside Terraform. ``memory``: of the agents.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import requests

from executors import keys
from executors.cloud.interface import Disk, Endpoint, Identity, Machine
from executors.cloud.openstack import OpenStackCloud, Setup
from executors.cloud.user_data import user_data
from executors.errors import Passing
from executors.handlers import boot_of
from planners import observed as seen
from tests.devcloud import bootstrap, cloud
from tests.devcloud.layout import Layout, here
from tests.support.openstack import OpenStackWorld
from tests.support.worlds import DEFINITIONS

NETWORK, FLAVOR, IMAGE = "databases", "tiny", "redis-7.0"
AT_ONCE = 8
INSTANCE = """
apiVersion: gitrove/v1
kind: Instance
metadata: {name: cache-%d}
spec: {datastore: {name: redis}, flavor: tiny, volume: {size: 1}}
"""
TERRAFORM = """
terraform {
  required_providers {
    openstack = { source = "terraform-provider-openstack/openstack" }
  }
}
provider "openstack" { cloud = "devcloud-tests" }
data "openstack_networking_network_v2" "net" { name = "databases" }
data "openstack_images_image_v2" "image" { name = "redis-7.0" }
resource "openstack_networking_port_v2" "port" {
  count      = var.number
  name       = "bench-${count.index}"
  network_id = data.openstack_networking_network_v2.net.id
}
resource "openstack_blockstorage_volume_v3" "volume" {
  count = var.number
  name  = "bench-${count.index}"
  size  = 1
}
resource "openstack_compute_instance_v2" "server" {
  count       = var.number
  name        = "bench-${count.index}"
  flavor_name = "tiny"
  image_id    = data.openstack_images_image_v2.image.id
  network { port = openstack_networking_port_v2.port[count.index].id }
  block_device {
    uuid                  = data.openstack_images_image_v2.image.id
    source_type           = "image"
    destination_type      = "local"
    boot_index            = 0
    delete_on_termination = true
  }
  block_device {
    uuid             = openstack_blockstorage_volume_v3.volume[count.index].id
    source_type      = "volume"
    destination_type = "volume"
    boot_index       = -1
  }
}
variable "number" { type = number }
"""


# -- observe --------------------------------------------------------------------


def observe(counts: list[int], layout: Layout) -> None:
    print("One look at a cloud")
    with _roomy(layout), bootstrap.connected(layout, "devcloud-tests") as api:
        held: dict[str, list[Any]] = {"servers": [], "volumes": [], "ports": []}
        try:
            for count in sorted(counts):
                _fill(api, held, count)
                _look(count)
        finally:
            _empty(api, held)


def _look(count: int) -> None:
    looking = OpenStackCloud(Setup("devcloud-tests", NETWORK))
    looking.observe()
    with _counted() as sent:
        began = time.monotonic()
        state = looking.observe()
        seconds = time.monotonic() - began
    pieces = (len(state.servers), len(state.volumes), len(state.ports))
    assert min(pieces) >= count, pieces
    print(f"  {count:4} servers: {len(sent):3} requests, {seconds:5.2f} s", flush=True)


def _fill(api: Any, held: dict[str, list[Any]], count: int) -> None:
    flavor = api.compute.find_flavor(bootstrap.ELSEWHERE, ignore_missing=False).id
    image = api.image.find_image(IMAGE, ignore_missing=False).id
    network = api.network.find_network(NETWORK, ignore_missing=False).id

    def one(_number: int) -> None:
        whose = Identity("bench", uuid.uuid4().hex, str(uuid.uuid4()))
        port = api.network.create_port(network_id=network, name=whose.name)
        held["ports"].append(port)
        tags = ["gitrove", *(f"{k}={v}" for k, v in whose.metadata().items())]
        api.network.set_tags(port, tags)
        volume = api.block_storage.create_volume(name=whose.name, size=1, metadata=whose.metadata())
        held["volumes"].append(volume)
        server = api.compute.create_server(
            name=whose.name,
            flavor_id=flavor,
            image_id=image,
            networks="none",
            metadata=whose.metadata(),
        )
        held["servers"].append(server)

    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(one, range(count - len(held["servers"]))))


def _empty(api: Any, held: dict[str, list[Any]]) -> None:
    deletions = [(api.compute.delete_server, each) for each in held["servers"]]
    deletions += [(api.network.delete_port, each) for each in held["ports"]]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(lambda pair: pair[0](pair[1]), deletions))
        list(pool.map(lambda each: _delete_volume(api, each), held["volumes"]))


def _delete_volume(api: Any, volume: Any) -> None:
    api.block_storage.wait_for_status(volume, "available", ["error"], interval=1, wait=300)
    api.block_storage.delete_volume(volume)


@contextmanager
def _counted() -> Iterator[list[str]]:
    """Every request that is sent meanwhile."""
    sent: list[str] = []
    send = requests.Session.send

    def noted(session: requests.Session, request: Any, **options: Any) -> Any:
        sent.append(request.url)
        return send(session, request, **options)

    requests.Session.send = noted  # type: ignore[method-assign]
    try:
        yield sent
    finally:
        requests.Session.send = send  # type: ignore[method-assign]


@contextmanager
def _roomy(layout: Layout) -> Iterator[None]:
    """The tests' project without quotas."""
    with bootstrap.connected(layout, "devcloud-admin") as admin:
        project = admin.identity.find_project("tests", ignore_missing=False).id
        admin.set_compute_quotas(project, instances=-1, cores=-1, ram=-1)
        admin.set_volume_quotas(project, volumes=-1, gigabytes=-1)
        admin.set_network_quotas(project, port=-1)
        yield
        admin.delete_compute_quotas(project)
        admin.delete_volume_quotas(project)
        admin.delete_network_quotas(project)


# -- create ---------------------------------------------------------------------


def create(counts: list[int], runs: int, layout: Layout) -> None:
    with _roomy(layout):
        print("From nothing to prepared databases")
        for count in counts:
            _compare(
                count, runs, {"gitrove": lambda n: _gitrove(n, layout), "bare SDK": _bare_prepared}
            )


def infrastructure(
    counts: list[int], runs: int, terraform: Path, provider: Path, layout: Layout
) -> None:
    print("Port, volume and server alone, to ACTIVE")
    with _roomy(layout):
        for count in counts:
            _compare(
                count,
                runs,
                {
                    "gitrove's verbs": _infrastructure,
                    "terraform": lambda n: _terraform(n, terraform, provider),
                },
            )


def _compare(count: int, runs: int, ways: dict[str, Callable[[int], float]]) -> None:
    figures: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(runs):
        for name, measure in ways.items():
            figures[name].append(measure(count))
    medians = {name: statistics.median(seconds) for name, seconds in figures.items()}
    first, second = medians.values()
    told = ", ".join(f"{name} {seconds:6.2f} s" for name, seconds in medians.items())
    print(f"  {count:3}: {told}, ratio {first / second:.2f}", flush=True)


def _gitrove(count: int, layout: Layout) -> float:
    with tempfile.TemporaryDirectory(prefix="gb-") as folder:
        world = OpenStackWorld.at(Path(folder), layout, f"bench-{uuid.uuid4().hex[:8]}")
        desired = world.desire("---".join(INSTANCE % number for number in range(count)))
        world.cloud.observe()
        began = time.monotonic()
        outcome = world.apply(desired, concurrency=AT_ONCE)
        seconds = time.monotonic() - began
        assert outcome.succeeded, outcome.failed
        world.converge(world.desire(""))
        world.remove()
    return seconds


class _Bare:
    """The SDK's calls for one instance, as a person would write them down."""

    def __init__(self, api: Any, world: OpenStackWorld) -> None:
        self.api, self.world = api, world
        self.flavor = api.compute.find_flavor(FLAVOR, ignore_missing=False).id
        self.image = api.image.find_image(IMAGE, ignore_missing=False).id
        self.network = api.network.find_network(NETWORK, ignore_missing=False).id
        self.made: list[tuple[Any, Any, Any]] = []

    def prepared(self, number: int) -> None:
        instance, salt = str(uuid.uuid4()), keys.new_salt()
        boot = boot_of(instance, DEFINITIONS["redis"], salt, self.world.key)
        port, volume = self.around(number)
        address = port.fixed_ips[0]["ip_address"]
        told = user_data(instance, address, {seen.DATA: volume.id}, boot)
        self.server(port, volume, user_data=told, config_drive=True)
        endpoint = Endpoint(instance, address, salt)
        while not self._answers(endpoint):
            time.sleep(0.1)
        self.world.guests.call(endpoint, "prepare", memory_mib=256, configuration={})

    def _answers(self, endpoint: Endpoint) -> bool:
        try:
            return bool(self.world.guests.call(endpoint, "ping"))
        except Passing:
            return False

    def around(self, number: int) -> tuple[Any, Any]:
        port = self.api.network.create_port(network_id=self.network, name=f"bench-{number}")
        storage = self.api.block_storage
        volume = storage.create_volume(name=f"bench-{number}", size=1)
        while storage.get_volume(volume).status != "available":
            time.sleep(0.5)
        return port, volume

    def server(self, port: Any, volume: Any, **options: Any) -> None:
        image = {"boot_index": 0, "uuid": self.image, "source_type": "image"}
        data = {"boot_index": -1, "uuid": volume.id, "source_type": "volume"}
        server = self.api.compute.create_server(
            name=port.name,
            flavor_id=self.flavor,
            image_id=self.image,
            networks=[{"port": port.id}],
            block_device_mapping=[
                image | {"destination_type": "local", "delete_on_termination": True},
                data | {"destination_type": "volume"},
            ],
            **options,
        )
        while self.api.compute.get_server(server).status != "ACTIVE":
            time.sleep(0.5)
        self.made.append((server, volume, port))

    def remove(self) -> None:
        with ThreadPoolExecutor(AT_ONCE) as pool:
            list(pool.map(self._remove, self.made))

    def _remove(self, made: tuple[Any, Any, Any]) -> None:
        server, volume, port = made
        self.api.compute.delete_server(server)
        self.api.compute.wait_for_delete(server, interval=1, wait=120)
        self.api.network.delete_port(port)
        _delete_volume(self.api, volume)


def _bare_prepared(count: int) -> float:
    layout = here()
    with (
        tempfile.TemporaryDirectory(prefix="gb-") as folder,
        bootstrap.connected(layout, "devcloud-tests") as api,
    ):
        bare = _Bare(api, OpenStackWorld.at(Path(folder), layout, "bench"))
        began = time.monotonic()
        with ThreadPoolExecutor(AT_ONCE) as pool:
            list(pool.map(bare.prepared, range(count)))
        seconds = time.monotonic() - began
        bare.remove()
    return seconds


def _infrastructure(count: int) -> float:
    """Only port, volume and server, by the verbs that the engine calls."""
    made = OpenStackCloud(Setup("devcloud-tests", NETWORK))
    made.observe()
    project = f"bench-{uuid.uuid4().hex[:8]}"
    key = keys.ControlKey(b"k" * 32, Path("/nonexistent"))

    def one(number: int) -> None:
        whose = Identity(project, f"cache-{number}", str(uuid.uuid4()))
        made.create_port(whose)
        made.create_volume(whose, Disk(1, "redis"))
        boot = boot_of(whose.id, DEFINITIONS["redis"], keys.new_salt(), key)
        made.create_server(whose, Machine(FLAVOR, IMAGE), boot)

    began = time.monotonic()
    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(one, range(count)))
    seconds = time.monotonic() - began
    state = made.observe()
    with ThreadPoolExecutor(AT_ONCE) as pool:
        ours = [s.id for s in state.servers if s.metadata[seen.PROJECT] == project]
        list(pool.map(made.delete_server, ours))
    for volume in [v for v in state.volumes if v.metadata[seen.PROJECT] == project]:
        made.delete_volume(volume.id)
    for port in [p for p in state.ports if p.metadata[seen.PROJECT] == project]:
        made.delete_port(port.id)
    return seconds


def _terraform(count: int, terraform: Path, provider: Path) -> float:
    with tempfile.TemporaryDirectory(prefix="gb-") as scratch:
        folder = Path(scratch)
        (folder / "main.tf").write_text(TERRAFORM)
        overrides = {"terraform-provider-openstack/openstack": str(provider.parent)}
        # A provider that was built here is named, not installed.
        rc = "".join(f'    "{name}" = "{path}"\n' for name, path in overrides.items())
        (folder / "rc").write_text(
            f"provider_installation {{\n  dev_overrides {{\n{rc}  }}\n  direct {{}}\n}}\n"
        )
        environment = {**os.environ, "TF_CLI_CONFIG_FILE": str(folder / "rc")}

        def run(*arguments: str) -> float:
            began = time.monotonic()
            command = [str(terraform), *arguments, "-auto-approve", f"-var=number={count}"]
            command.append(f"-parallelism={AT_ONCE}")
            done = subprocess.run(
                command, cwd=folder, env=environment, capture_output=True, text=True, check=False
            )
            assert done.returncode == 0, done.stderr
            return time.monotonic() - began

        seconds = run("apply")
        run("destroy")
    return seconds


# -- memory ---------------------------------------------------------------------


def memory(layout: Layout) -> None:
    print("The agent in its guest, MiB resident, and private to it")
    with tempfile.TemporaryDirectory(prefix="gb-") as folder:
        world = OpenStackWorld.at(Path(folder), layout, f"bench-{uuid.uuid4().hex[:8]}")
        for datastore in ("mariadb", "postgresql", "redis"):
            text = INSTANCE.replace("{name: redis}", f"{{name: {datastore}}}") % 0
            assert world.apply(world.desire(text)).succeeded
            agent = _agent(layout, world.server("cache-0").id)
            for _ in range(20):
                world.report("cache-0")
            told = agent.memory_full_info()
            print(f"  {datastore:<10}: {told.rss >> 20:4} {told.uss >> 20:4}", flush=True)
            world.converge(world.desire(""))
        world.remove()


def _agent(layout: Layout, server: str) -> psutil.Process:
    folder = str(layout.run / "guests" / server)
    for process in psutil.process_iter(["cmdline"]):
        command = process.info["cmdline"] or []
        if "guest_agent.agent" in command and folder in command[-1]:
            return process
    raise SystemExit(f"no agent runs for {server}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    kinds = parser.add_subparsers(dest="what", required=True)
    observing = kinds.add_parser("observe")
    observing.add_argument("--servers", type=int, nargs="+", default=[10, 100, 500])
    creating = kinds.add_parser("create")
    creating.add_argument("--instances", type=int, nargs="+", default=[1, 20])
    creating.add_argument("--runs", type=int, default=3)
    making = kinds.add_parser("infrastructure")
    making.add_argument("--instances", type=int, nargs="+", default=[1, 20])
    making.add_argument("--runs", type=int, default=3)
    making.add_argument("--terraform", type=Path, required=True)
    making.add_argument("--provider", type=Path, required=True)
    kinds.add_parser("memory")
    arguments = parser.parse_args()
    layout = here()
    cloud.up(layout, print)
    os.environ["OS_CLIENT_CONFIG_FILE"] = str(layout.clouds)
    match arguments.what:
        case "observe":
            observe(arguments.servers, layout)
        case "create":
            create(arguments.instances, arguments.runs, layout)
        case "infrastructure":
            told = (arguments.instances, arguments.runs, arguments.terraform, arguments.provider)
            infrastructure(*told, layout)
        case "memory":
            memory(layout)


if __name__ == "__main__":
    main()
