"""A new instance's infrastructure as a Heat template of native resources.

kilo-native-os-heat-resources: ``OS::Nova::Server`` and its like, nothing of
Trove's. What a guest is told at its first boot needs an address and a volume
that only the stack knows, so Heat puts them in; the guest's key and login are
hidden parameters.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from ipaddress import ip_network
from typing import Any

from executors.cloud import openstack_pieces as pieces
from executors.cloud.interface import Boot, Disk, Identity, machine_of
from executors.cloud.user_data import SERIAL, cloud_config
from planners import observed as seen
from planners.steps import (
    AllowAccess,
    AssignFloating,
    CreatePort,
    CreateServer,
    CreateVolume,
    OfInstance,
    Step,
)

Resources = dict[str, dict[str, Any]]

VERSION = "2018-08-31"
_ADDRESS, _VOLUME, _KEY, _SECRET = "$address", "$volume", "$guest_key", "$guest_secret"


@dataclass(frozen=True)
class Stack:
    """What all instances share: the network and groups that ports get, by name.

    ``boot`` gives what a guest is told, by the step that creates its server.
    """

    network: str
    security_groups: Sequence[str]
    repository: str
    boot: Callable[[CreateServer], Boot]

    def identity(self, step: OfInstance) -> Identity:
        return Identity(step.project, step.name, step.instance, self.repository, step.region)


def template(wanted: Iterable[Step], stack: Stack) -> tuple[dict[str, Any], dict[str, str]]:
    """The template that does what the steps of a creation do, and its hidden parameters.

    What only a guest can do is left to the next apply.
    """
    resources: Resources = {}
    hidden: dict[str, str] = {}
    for step in wanted:
        match step:
            case AllowAccess():
                resources[f"{step.name}_group"] = _group(step, stack)
            case CreatePort():
                resources[f"{step.name}_port"] = _port(step, stack)
            case CreateVolume():
                resources[_volume_title(step.name, step.kind)] = _volume(step, stack)
            case AssignFloating():
                resources[f"{step.name}_floating"] = _floating(step)
            case CreateServer():
                boot = stack.boot(step)
                hidden |= {f"{step.name}_key": boot.key, f"{step.name}_secret": boot.secret}
                if step.group:
                    resources[f"group_{step.group}"] = _server_group(step, stack)
                resources[f"{step.name}_server"] = _server(step, boot, stack)
    _guard(resources, stack)
    document = {
        "heat_template_version": VERSION,
        "description": "Databases by gitrove. What is in them is made by the next gitrove apply.",
        "parameters": {each: {"type": "string", "hidden": True} for each in sorted(hidden)},
        "resources": resources,
    }
    return document, hidden


def _port(step: CreatePort, stack: Stack) -> dict[str, Any]:
    identity = stack.identity(step)
    properties: dict[str, Any] = {
        "name": pieces.name(identity),
        "network": stack.network,
        "tags": pieces.tags(identity),
        "value_specs": {"description": pieces.description(step.instance)},
    }
    if step.address:
        properties["fixed_ips"] = [{"ip_address": step.address}]
    if stack.security_groups:
        properties["security_groups"] = list(stack.security_groups)
    return _resource("OS::Neutron::Port", properties)


def _guard(resources: Resources, stack: Stack) -> None:
    """Put every port behind its instance's own group, too."""
    for title in [each for each in resources if each.endswith("_group")]:
        port = resources[f"{title.removesuffix('_group')}_port"]["properties"]
        base: list[Any] = [*stack.security_groups] or ["default"]
        port["security_groups"] = [*base, {"get_resource": title}]


def _group(step: AllowAccess, stack: Stack) -> dict[str, Any]:
    rules = [
        {
            "direction": "ingress",
            "ethertype": f"IPv{ip_network(cidr).version}",
            "protocol": "tcp",
            "port_range_min": step.database,
            "port_range_max": step.database,
            "remote_ip_prefix": cidr,
        }
        for cidr in step.cidrs
    ]
    properties = {
        "name": pieces.name(stack.identity(step)),
        "description": pieces.description(step.instance),
        "rules": rules,
    }
    return _resource("OS::Neutron::SecurityGroup", properties)


def _floating(step: AssignFloating) -> dict[str, Any]:
    properties = {
        "floating_network": step.network,
        "port_id": {"get_resource": f"{step.name}_port"},
        "value_specs": {"description": pieces.description(step.instance)},
    }
    return _resource("OS::Neutron::FloatingIP", properties)


def _volume(step: CreateVolume, stack: Stack) -> dict[str, Any]:
    identity = stack.identity(step)
    disk = Disk(step.size, step.datastore, kind=step.kind)
    properties: dict[str, Any] = {
        "name": pieces.volume_name(pieces.name(identity), step.kind),
        "size": step.size,
        "metadata": identity.metadata() | disk.metadata(),
    }
    if step.image:
        properties["image"] = step.image
    if step.volume_type:
        properties["volume_type"] = step.volume_type
    if step.zone:
        properties["availability_zone"] = step.zone
    return _resource("OS::Cinder::Volume", properties)


def _server_group(step: CreateServer, stack: Stack) -> dict[str, Any]:
    name = pieces.server_group(stack.identity(step).metadata(), step.group)
    return _resource("OS::Nova::ServerGroup", {"name": name, "policies": [step.policy]})


def _server(step: CreateServer, boot: Boot, stack: Stack) -> dict[str, Any]:
    port, identity = f"{step.name}_port", stack.identity(step)
    volumes = {kind: _volume_title(step.name, kind) for kind in step.kinds}
    marks = {kind: f"{_VOLUME}_{kind}_" for kind in volumes if kind != seen.ROOT}
    hidden = replace(boot, key=_KEY, secret=_SECRET)
    told = cloud_config(step.instance, _ADDRESS, marks, hidden)
    properties: dict[str, Any] = {
        "name": pieces.name(identity),
        "flavor": step.flavor,
        "config_drive": True,
        "networks": [{"port": {"get_resource": port}}],
        "user_data_format": "RAW",
        "user_data": {
            "str_replace": {
                "template": told,
                "params": {
                    _ADDRESS: {"get_attr": [port, "fixed_ips", 0, "ip_address"]},
                    **{mark: _serial(volumes[kind]) for kind, mark in marks.items()},
                    _KEY: {"get_param": f"{step.name}_key"},
                    _SECRET: {"get_param": f"{step.name}_secret"},
                },
            }
        },
        "metadata": identity.metadata() | machine_of(step).metadata() | boot.metadata(),
        "block_device_mapping_v2": [
            {
                "boot_index": 0 if kind == seen.ROOT else -1,
                "volume_id": {"get_resource": volume},
                "delete_on_termination": False,
            }
            for kind, volume in volumes.items()
        ],
    }
    if seen.ROOT not in volumes:
        properties["image"] = step.image
    if step.zone:
        properties["availability_zone"] = step.zone
    if step.group:
        properties["scheduler_hints"] = {"group": {"get_resource": f"group_{step.group}"}}
    return _resource("OS::Nova::Server", properties)


def _volume_title(name: str, kind: str) -> str:
    return f"{name}_volume" if kind == seen.DATA else f"{name}_volume_{kind}"


def _serial(volume: str) -> dict[str, Any]:
    """The beginning of the volume's id, as hypervisors show it."""
    expression = f"$.data.substring(0, {SERIAL})"
    return {"yaql": {"expression": expression, "data": {"get_resource": volume}}}


def _resource(kind: str, properties: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": kind, "properties": dict(properties)}
