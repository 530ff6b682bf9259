"""OpenStack Trove's API beside the devcloud: what gitrove adopts from.

Only the API runs. An instance is recorded as a Trove that made it would have
left it, around a server that really exists.
"""

from __future__ import annotations

import subprocess
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.devcloud import bootstrap, configuration, services
from tests.devcloud.layout import PASSWORD, REGION, TROVE, Layout

NAME = "trove"


@contextmanager
def running(layout: Layout) -> Iterator[None]:
    """Trove's API, registered in the catalogue, until the body ends."""
    configuration.write_trove(layout)
    _sql(layout, "CREATE DATABASE IF NOT EXISTS trove CHARACTER SET utf8mb3")
    _manage(layout, "db_sync")
    with _registered(layout):
        services.start(layout, [NAME])
        try:
            services.wait_for_apis(layout, [NAME])
            yield
        finally:
            services.stop(layout, [NAME])
    _sql(layout, "DROP DATABASE trove")


@contextmanager
def _registered(layout: Layout) -> Iterator[None]:
    with bootstrap.connected(layout, "devcloud-admin") as admin:
        identity: Any = admin.identity
        project = identity.find_project("service", ignore_missing=False)
        user = identity.create_user(name=NAME, password=PASSWORD, domain_id="default")
        for name in ("admin", "service"):
            role = identity.find_role(name, ignore_missing=False)
            identity.assign_project_role_to_user(project, user, role)
        service = identity.create_service(type="database", name=NAME)
        for interface in ("public", "internal", "admin"):
            identity.create_endpoint(
                service_id=service.id,
                interface=interface,
                region_id=REGION,
                url=f"http://127.0.0.1:{TROVE}/v1.0/%(tenant_id)s",
            )
        try:
            yield
        finally:
            identity.delete_service(service)
            identity.delete_user(user)


def record(
    layout: Layout, project: str, name: str, server: str, volume: str, values: dict[str, str]
) -> str:
    """Let Trove know of a MariaDB on *server* (ids of the cloud's); the instance's id."""
    _manage(layout, "datastore_update", "mariadb", "")
    told = ("mariadb", "10.11", "mariadb", str(uuid.uuid4()), "", "1")
    _manage(layout, "datastore_version_update", *told)
    instance, group = str(uuid.uuid4()), str(uuid.uuid4())
    version = "(SELECT id FROM datastore_versions WHERE name = '10.11')"
    statements = [
        "INSERT INTO configurations (id, name, tenant_id, datastore_version_id, deleted)"
        f" VALUES ('{group}', 'tuned', '{project}', {version}, 0)",
        *(
            "INSERT INTO configuration_parameters"
            " (configuration_id, configuration_key, configuration_value, deleted)"
            f" VALUES ('{group}', '{key}', '{value}', 0)"
            for key, value in values.items()
        ),
        "INSERT INTO instances (id, created, updated, name, compute_instance_id, task_id,"
        " task_description, volume_id, volume_size, flavor_id, tenant_id, deleted,"
        " datastore_version_id, configuration_id)"
        f" VALUES ('{instance}', NOW(), NOW(), '{name}', '{server}', 1, 'No tasks',"
        f" '{volume}', 1, '1', '{project}', 0, {version}, '{group}')",
        "INSERT INTO service_statuses (id, instance_id, status_id, status_description,"
        f" updated_at) VALUES ('{uuid.uuid4()}', '{instance}', 1, 'running', NOW())",
    ]
    for statement in statements:
        _sql(layout, statement, "trove")
    return instance


def _manage(layout: Layout, *arguments: str) -> None:
    command = [layout.program("trove-manage"), "--config-file", f"{layout.etc}/trove/trove.conf"]
    done = subprocess.run(
        [*command, *arguments],
        env=services.environment(layout),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise services.NotUp(f"trove-manage failed\n{done.stdout[-2000:]}{done.stderr[-3000:]}")


def _sql(layout: Layout, statement: str, database: str = "") -> None:
    command = ["mariadb", "--no-defaults", "-uroot", f"-S{layout.database_socket}", database]
    subprocess.run([each for each in command if each], input=statement, text=True, check=True)
