"""What is exported for Heat is what Heat's own library takes."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from tests.devcloud import cache
from tests.devcloud.layout import here
from tests.support.shell import Shell

VALIDATE = Path(__file__).parents[1] / "support" / "heat_validation.py"
EVERYTHING = """
apiVersion: gitrove/v1
kind: Instance
metadata: {name: orders}
spec:
  datastore: {name: mariadb}
  flavor: small
  volume: {size: 2, type: fast}
  availabilityZone: nova
  placement: {group: pair}
  access: {allowedCidrs: [10.0.0.0/8, "2001:db8::/32"], address: 10.1.2.3, floatingNetwork: public}
---
apiVersion: gitrove/v1
kind: Instance
metadata: {name: cache}
spec: {datastore: {name: redis}, flavor: tiny, volumeLayout: split}
---
apiVersion: gitrove/v1
kind: VolumeLayout
metadata: {name: split}
spec: {volumes: [{kind: data, size: 1}, {kind: root, size: 3}]}
"""
SETTINGS = """
apiVersion: gitrove/v1
kind: Settings
repository: ours
paths: [databases]
clouds: {cloud: {driver: openstack, network: databases}}
defaults: {project: shop}
"""


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    shell = Shell(tmp_path)
    shell.run("init", "shop")
    shell.repository.joinpath("gitrove.yaml").write_text(SETTINGS)
    for old in shell.repository.joinpath("databases").iterdir():
        old.unlink()
    shell.repository.joinpath("databases", "all.yaml").write_text(EVERYTHING)
    shell.commit()
    return shell


def validated(template: str) -> subprocess.CompletedProcess[str]:
    """What Heat says, by the Python that has it."""
    layout = here()
    cache.install(layout)
    command = [layout.program("python"), str(VALIDATE)]
    return subprocess.run(command, input=template, capture_output=True, text=True, check=False)


def test_heat_takes_the_template_and_its_parameters_are_the_only_secrets(shell: Shell) -> None:
    secrets = shell.repository.parent / "secrets.yaml"
    text = shell.run("export", "--environment", str(secrets))
    told = validated(text)
    assert told.returncode == 0, told.stderr
    assert [
        line for line in told.stdout.splitlines() if " OS::" in line and "HIDDEN" not in line
    ] == [
        "cache_port OS::Neutron::Port",
        "cache_server OS::Nova::Server",
        "cache_volume OS::Cinder::Volume",
        "cache_volume_root OS::Cinder::Volume",
        "group_pair OS::Nova::ServerGroup",
        "orders_floating OS::Neutron::FloatingIP",
        "orders_group OS::Neutron::SecurityGroup",
        "orders_port OS::Neutron::Port",
        "orders_server OS::Nova::Server",
        "orders_volume OS::Cinder::Volume",
    ]
    resources = YAML(typ="safe").load(text)["resources"]
    assert "image" not in resources["cache_server"]["properties"]
    assert resources["cache_volume_root"]["properties"]["image"] == "redis-7.0"
    assert secrets.stat().st_mode & 0o777 == 0o600
    hidden = YAML(typ="safe").load(secrets.read_text())["parameters"]
    assert sorted(hidden) == sorted(YAML(typ="safe").load(text)["parameters"])
    assert len(hidden) == 4 and not any(value in text for value in hidden.values())

    assert "orders" not in shell.run("export", "cache", "--environment", f"{secrets}.2")
    refused = shell.run("export", "--environment", str(secrets), expect=1)
    assert "exists already" in refused


def test_heat_refuses_what_it_does_not_know(shell: Shell) -> None:
    text = shell.run("export", "cache", "--environment", str(shell.repository.parent / "s"))
    told = validated(text.replace("flavor: tiny", "flavour: tiny"))
    assert told.returncode and "Unknown Property flavour" in told.stderr
