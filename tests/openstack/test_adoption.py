"""What a real Trove manages becomes declared, watched and protected, and is not touched."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.devcloud import bootstrap, trove
from tests.devcloud.layout import Layout
from tests.support.shell import Shell

SETTINGS = """
apiVersion: gitrove/v1
kind: Settings
repository: ours-%s
paths: [databases]
clouds: {cloud: {driver: openstack, cloud: devcloud-tests, network: databases}}
defaults: {project: %s}
"""


@dataclass
class Made:
    """By hand, as Trove's taskmanager makes it."""

    api: Any
    server: Any
    volume: Any
    port: Any

    def metadata(self) -> tuple[dict[str, str], dict[str, str], list[str]]:
        return (
            dict(self.api.compute.get_server(self.server).metadata),
            dict(self.api.block_storage.get_volume(self.volume).metadata),
            list(self.api.network.get_port(self.port).tags),
        )


@pytest.fixture
def made(devcloud: Layout) -> Iterator[Made]:
    with bootstrap.connected(devcloud, "devcloud-tests") as connection:
        api: Any = connection
        network = api.network.find_network("databases")
        port = api.network.create_port(network_id=network.id, name="trove-legacy")
        volume = api.block_storage.create_volume(name="trove-legacy", size=1)
        api.block_storage.wait_for_status(volume, "available", interval=0.5, wait=60)
        image = api.image.find_image("mariadb-10.11")
        server = api.compute.create_server(
            name="legacy",
            flavor_id=api.compute.find_flavor("small").id,
            image_id=image.id,
            networks=[{"port": port.id}],
            block_device_mapping=[
                {"boot_index": 0, "uuid": image.id, "source_type": "image",
                 "destination_type": "local", "delete_on_termination": True},
                {"boot_index": -1, "uuid": volume.id, "source_type": "volume",
                 "destination_type": "volume"},
            ],
        )  # fmt: skip
        api.compute.wait_for_server(server, interval=0.5, wait=60)
        yield Made(api, server.id, volume.id, port.id)
        api.compute.delete_server(server)
        api.compute.wait_for_delete(server, interval=0.5, wait=60)
        api.network.delete_port(port)
        api.block_storage.wait_for_status(volume, "available", interval=0.5, wait=60)
        api.block_storage.delete_volume(volume)


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    shell = Shell(tmp_path)
    shell.run("init", "shop")
    project = f"shop-{uuid.uuid4().hex[:8]}"
    shell.repository.joinpath("gitrove.yaml").write_text(SETTINGS % (project, project))
    for old in shell.repository.joinpath("databases").iterdir():
        old.unlink()
    return shell


def test_an_instance_of_troves_is_adopted(devcloud: Layout, made: Made, shell: Shell) -> None:
    with trove.running(devcloud):
        project = made.api.current_project_id
        values = {"max_connections": "90"}
        trove.record(devcloud, project, "legacy", made.server, made.volume, values)
        stranger = trove.record(devcloud, project, "elsewhere", str(uuid.uuid4()), "", {})
        told = shell.run("adopt", "--from", "trove")
        assert "legacy" in told and stranger in told
        assert "no project that this login sees" in told
        before = made.metadata()
        shell.run("adopt", "legacy", "--from", "trove", expect=1)
        assert made.metadata() == before
        adopted = shell.repository / "databases" / "adopted.yaml"
        adopted.unlink()
        told = shell.run("adopt", "legacy", "--from", "trove", "--yes")
        assert "Trove still manages it" in told
    server, volume, tags = made.metadata()
    assert server["gitrove:name"] == volume["gitrove:name"] == "legacy"
    assert "gitrove:name=legacy" in tags and server["gitrove:protected"] == "true"
    text = adopted.read_text()
    assert "max_connections: '90'" in text and "flavor: small" in text

    shell.commit()
    told = shell.run("plan", "--detailed-exitcode")
    assert "No changes" in told and "its guest does not answer" in told
    # Nothing of it is destroyed by mistake.
    adopted.unlink()
    shell.commit()
    assert "it is protected" in shell.run("plan", expect=1)
