"""Brings a new devcloud into being: databases, users, catalogue, and what its users expect."""

from __future__ import annotations

import getpass
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import product
from typing import Any

import openstack
from openstack.connection import Connection

from guest_agent.toolkit.processes import wait_until
from tests.devcloud import layout as ports
from tests.devcloud import services
from tests.devcloud.layout import (
    AUTH,
    COMPUTES,
    PASSWORD,
    PROJECTS,
    REGION,
    SECOND_REGION,
    Layout,
    image_id,
)
from tests.support.versions import IMAGES

NETWORK = "127.77.0.0/16"
_GATEWAY = "127.77.255.254"
_DATABASES = "keystone placement glance nova_api nova nova_cell0 neutron cinder".split()
_CATALOGUE = (
    ("placement", "placement", ports.PLACEMENT, ""),
    ("image", "glance", ports.GLANCE, ""),
    ("compute", "nova", ports.NOVA, "/v2.1"),
    ("network", "neutron", ports.NEUTRON, ""),
    ("volumev3", "cinderv3", ports.CINDER, "/v3"),
    ("block-storage", "cinder", ports.CINDER, "/v3"),
    ("object-store", "swift", ports.SWIFT, "/v1/AUTH_%(tenant_id)s"),
)
_SERVICE_USERS = ("nova", "placement", "glance", "neutron", "cinder", "swift")
FLAVORS = {"tiny": (1, 256), "small": (1, 512), "medium": (2, 1024), "huge": (1, 4 << 20)}
"""By name: vcpus and MiB; the last is more than a project may have."""
ELSEWHERE = "elsewhere"
"""A flavor that no host here can give."""
VOLUME_TYPES = ("standard", "fast")
EXTERNAL = "public"
_EXTERNAL_NETWORK = "203.0.113.0/24"
"""Addresses for documentation (RFC 5737): floating addresses are records here."""

Tell = Callable[[str], None]


def bring_up(layout: Layout, tell: Tell) -> None:
    """A whole cloud from nothing, left running. Raises CalledProcessError, NotUp."""
    _rings(layout)
    services.start_infrastructure(layout)
    tell("making the databases")
    _databases(layout)
    _migrate(layout, tell)
    services.start(layout, ["keystone"])
    services.wait_for_apis(layout, ["keystone"])
    tell("registering users and services")
    with connected(layout, "devcloud-admin") as admin:
        _register(admin)
    # Conductor and scheduler end at once when their users do not exist.
    began = now()
    services.start(layout, services.SERVICES)
    services.wait_for_apis(layout)
    tell("waiting for the hosts")
    _discover_hosts(layout)
    wait_for_services(layout, began)
    tell("making flavors, images and the network")
    _furnish(layout)


@contextmanager
def connected(layout: Layout, cloud: str) -> Iterator[Connection]:
    """A connection as the user that clouds.yaml has under *cloud*."""
    config = openstack.config.OpenStackConfig(config_files=[str(layout.clouds)])
    connection = Connection(config=config.get_one(cloud))
    try:
        yield connection
    finally:
        connection.close()


def now() -> str:
    """The time as services report it: UTC, to the second."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S")


def wait_for_services(layout: Layout, since: str) -> None:
    """Until both hosts and the volume service, started *since* then, take orders. Raises NotUp.

    What they reported before they were stopped makes them look up for a minute.
    """
    with connected(layout, "devcloud-admin") as admin:

        def reports(service: Any) -> bool:
            return service.state == "up" and (service.updated_at or "") >= since

        def up() -> bool:
            compute = {(s.binary, s.host) for s in admin.compute.services() if reports(s)}
            storage = {s.binary for s in admin.block_storage.services() if reports(s)}
            wanted = {("nova-compute", host) for host in COMPUTES}
            ready = wanted <= compute and {"cinder-volume", "cinder-scheduler"} <= storage
            # The scheduler has an opinion of its own, which lags behind the services' list.
            return ready and any(admin.block_storage.backend_pools())

        if not wait_until(lambda: _true(up), 120, 0.3):
            raise services.NotUp("the hosts did not report within 120 s")


def _true(up: Callable[[], bool]) -> bool:
    try:
        return up()
    except openstack.exceptions.SDKException:
        return False


def _run(layout: Layout, *command: str) -> str:
    program, *arguments = command
    done = subprocess.run(
        [layout.program(program), *arguments],
        env=services.environment(layout), capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        raise services.NotUp(f"{program} failed\n{done.stdout[-2000:]}{done.stderr[-3000:]}")
    return done.stdout


def _rings(layout: Layout) -> None:
    for name, port in ports.SWIFT_STORES.items():
        builder = str(layout.etc / "swift" / f"{name}.builder")
        _run(layout, "swift-ring-builder", builder, "create", "6", "1", "1")
        _run(layout, "swift-ring-builder", builder, "add", f"r1z1-127.0.0.1:{port}/sdb1", "1")
        _run(layout, "swift-ring-builder", builder, "rebalance")


def _databases(layout: Layout) -> None:
    statements = [
        f"CREATE DATABASE IF NOT EXISTS {name} CHARACTER SET utf8mb3;" for name in _DATABASES
    ]
    statements.append(f"CREATE USER devcloud@localhost IDENTIFIED BY '{PASSWORD}';")
    statements.append("GRANT ALL ON *.* TO devcloud@localhost;")
    subprocess.run(
        ["mariadb", "--no-defaults", "-uroot", f"-S{layout.database_socket}"],
        input="\n".join(statements), text=True, check=True,
    )  # fmt: skip


def _migrate(layout: Layout, tell: Tell) -> None:
    with ThreadPoolExecutor(2) as pool:
        for done in [
            pool.submit(migration, layout)
            for migration in (_migrate_nova, _migrate_neutron, _migrate_keystone, _migrate_rest)
        ]:
            done.result()
            tell("migrated a service's database")


def _migrate_keystone(layout: Layout) -> None:
    manage = ("keystone-manage", "--config-file", f"{layout.etc}/keystone/keystone.conf")
    _run(layout, *manage, "db_sync")
    user = getpass.getuser()
    for keys in ("fernet_setup", "credential_setup"):
        _run(layout, *manage, keys, "--keystone-user", user, "--keystone-group", user)
    urls = [f"--bootstrap-{kind}-url={AUTH}" for kind in ("public", "internal", "admin")]
    secret = f"--bootstrap-password={PASSWORD}"
    _run(layout, *manage, "bootstrap", secret, *urls, f"--bootstrap-region-id={REGION}")


def _migrate_nova(layout: Layout) -> None:
    manage = ("nova-manage", "--config-file", f"{layout.etc}/nova/nova.conf")
    _run(layout, *manage, "api_db", "sync")
    _run(layout, *manage, "cell_v2", "map_cell0")
    _run(layout, *manage, "cell_v2", "create_cell", "--name", "cell1")
    _run(layout, *manage, "db", "sync")


def _migrate_neutron(layout: Layout) -> None:
    config = f"{layout.etc}/neutron/neutron.conf"
    _run(layout, "neutron-db-manage", "--config-file", config, "upgrade", "heads")


def _migrate_rest(layout: Layout) -> None:
    etc = layout.etc
    for program, file, *command in (
        ("placement-manage", "placement/placement.conf", "db", "sync"),
        ("glance-manage", "glance/glance-api.conf", "db_sync"),
        ("cinder-manage", "cinder/cinder.conf", "db", "sync"),
    ):
        _run(layout, program, "--config-file", f"{etc}/{file}", *command)


def _register(admin: Connection) -> None:
    identity: Any = admin.identity
    identity.create_region(id=SECOND_REGION)
    roles = {role.name: role for role in identity.roles()}
    projects = {
        name: identity.create_project(name=name, domain_id="default")
        for name in ("service", *PROJECTS)
    }
    memberships = {name: [("service", "admin"), ("service", "service")] for name in _SERVICE_USERS}
    memberships |= {name: [(name, "member")] for name in PROJECTS}
    for name, held in memberships.items():
        user = identity.create_user(name=name, password=PASSWORD, domain_id="default")
        for project, role in held:
            identity.assign_project_role_to_user(projects[project], user, roles[role])
    for kind, name, port, path in _CATALOGUE:
        service = identity.create_service(type=kind, name=name)
        for region, interface in product((REGION, SECOND_REGION), ("public", "internal", "admin")):
            identity.create_endpoint(
                service_id=service.id,
                interface=interface,
                region_id=region,
                url=f"http://127.0.0.1:{port}{path}",
            )


def _discover_hosts(layout: Layout) -> None:
    manage = ("nova-manage", "--config-file", f"{layout.etc}/nova/nova.conf", "cell_v2")

    def known() -> bool:
        _run(layout, *manage, "discover_hosts")
        listed = _run(layout, *manage, "list_hosts")
        return all(host in listed for host in COMPUTES)

    if not wait_until(known, 120, 1.0):
        raise services.NotUp("the hosts did not register within 120 s")


def _furnish(layout: Layout) -> None:
    """What an operator has made before anybody uses gitrove."""
    with connected(layout, "devcloud-admin") as admin:
        for name, (vcpus, ram) in FLAVORS.items():
            admin.compute.create_flavor(name=name, vcpus=vcpus, ram=ram, disk=1)
        elsewhere = admin.compute.create_flavor(name=ELSEWHERE, vcpus=1, ram=256, disk=1)
        wanted = {"capabilities:hypervisor_type": ELSEWHERE}
        admin.compute.create_flavor_extra_specs(elsewhere, wanted)
        for name in VOLUME_TYPES:
            admin.block_storage.create_type(name=name)
        for name in IMAGES:
            # What is in it does not matter: a guest is the agent of this tree.
            admin.create_image(
                name, id=image_id(name), data=name.encode() * 100, disk_format="raw",
                container_format="bare", visibility="public", wait=True,
            )  # fmt: skip
        network = admin.network.create_network(name="databases", is_shared=True)
        # Neutron's agents do not run, so nobody else hands out addresses.
        subnet = admin.network.create_subnet(
            network_id=network.id, cidr=NETWORK, ip_version=4, is_dhcp_enabled=False,
            gateway_ip=_GATEWAY, name="databases",
        )  # fmt: skip
        outside = admin.network.create_network(name=EXTERNAL, is_router_external=True)
        admin.network.create_subnet(
            network_id=outside.id, cidr=_EXTERNAL_NETWORK, ip_version=4, is_dhcp_enabled=False
        )
        router = admin.network.create_router(
            name=EXTERNAL, external_gateway_info={"network_id": outside.id}
        )
        admin.network.add_interface_to_router(router, subnet=subnet.id)
