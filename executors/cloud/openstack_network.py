"""What an instance has in Neutron: its port, its security group, its floating address."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from ipaddress import ip_network
from typing import Any

from executors.cloud import openstack_pieces as pieces
from executors.cloud.interface import Identity
from executors.errors import Failed
from executors.openstack_api import errors, named
from planners.steps import Pieces


class Network:
    """The verbs of the cloud interface that are Neutron's. *api* is the SDK's network proxy.

    Ports stand in the network *name* with the security groups *group_names*.
    """

    def __init__(self, api: Any, name: str, group_names: Sequence[str]) -> None:
        self._api = api
        self._name = name
        self._group_names = group_names

    def allow_access(self, identity: Identity, database: int, cidrs: Sequence[str]) -> None:
        with errors("set the security group"):
            api = self._api
            group = self._group_of(identity.id)
            if group is None:
                group = api.create_security_group(
                    name=pieces.name(identity), description=pieces.description(identity.id)
                )
            api.set_tags(group, pieces.tags(identity))
            wished = {(cidr, database) for cidr in cidrs}
            for rule in pieces.ingress(group):
                if pieces.opens(rule) not in wished:
                    api.delete_security_group_rule(rule["id"])
            for cidr, port in sorted(
                wished - {pieces.opens(rule) for rule in pieces.ingress(group)}
            ):
                api.create_security_group_rule(
                    security_group_id=group.id,
                    direction="ingress",
                    ethertype=f"IPv{ip_network(cidr).version}",
                    protocol="tcp",
                    port_range_min=port,
                    port_range_max=port,
                    remote_ip_prefix=cidr,
                )
            guarded = self.port_of(identity.id)
            if guarded is not None and group.id not in guarded.security_group_ids:
                groups = [*guarded.security_group_ids, group.id]
                api.update_port(guarded, security_groups=groups)

    def delete_group(self, group: str) -> None:
        with errors(f"delete the security group {group}"):
            api = self._api
            for port in api.ports(tags=pieces.TAG):
                if group in port.security_group_ids:
                    others = [each for each in port.security_group_ids if each != group]
                    api.update_port(port, security_groups=others)
            api.delete_security_group(group)

    def create_port(self, identity: Identity, address: str = "") -> None:
        with errors("create the port"):
            api = self._api
            port = self.port_of(identity.id)
            if port is None:
                own = self._group_of(identity.id)
                groups = [*self._base_groups, own.id] if own else self._security_groups
                port = api.create_port(
                    network_id=self._network,
                    name=pieces.name(identity),
                    description=pieces.description(identity.id),
                    **({"security_groups": groups} if groups else {}),
                    **({"fixed_ips": [{"ip_address": address}]} if address else {}),
                )
            api.set_tags(port, pieces.tags(identity))

    def mark(self, identity: Identity, held: Pieces) -> None:
        """Raises the SDK's errors."""
        api, described = self._api, {"description": pieces.description(identity.id)}
        marked = [api.update_port(port, **described) for port in held.ports]
        marked += [api.update_security_group(group, **described) for group in held.groups]
        marked += [api.update_ip(floating, **described) for floating in held.floating]
        for each in marked:
            api.set_tags(each, pieces.tags(identity))

    def delete_port(self, port: str) -> None:
        with errors(f"delete the port {port}"):
            self._api.delete_port(port)

    def assign_floating(self, identity: Identity, network: str) -> None:
        with errors("assign the floating address"):
            api = self._api
            port = self.port_of(identity.id)
            if port is None:
                raise Failed(f"the port of {identity.name} is missing")
            outside = named(api.find_network, "network", network).id
            mine = api.ips(description=pieces.description(identity.id))
            there = next((each for each in mine if each.floating_network_id == outside), None)
            if there is None:
                there = api.create_ip(
                    floating_network_id=outside,
                    port_id=port.id,
                    description=pieces.description(identity.id),
                )
            elif there.port_id != port.id:
                api.update_ip(there, port_id=port.id)
            api.set_tags(there, pieces.tags(identity))

    def release_floating(self, floating: str) -> None:
        with errors(f"release the floating address {floating}"):
            self._api.delete_ip(floating)

    def port_of(self, instance: str) -> Any:
        ports = list(self._api.ports(description=pieces.description(instance)))
        return ports[0] if ports else None

    def _group_of(self, instance: str) -> Any:
        found = self._api.security_groups(description=pieces.description(instance))
        return next(iter(found), None)

    @cached_property
    def _network(self) -> str:
        find = self._api.find_network
        return str(named(find, "network", self._name).id)

    @cached_property
    def _security_groups(self) -> list[str]:
        find = self._api.find_security_group
        return [named(find, "security group", name).id for name in self._group_names]

    @cached_property
    def _base_groups(self) -> list[str]:
        """What a port has beside a group of its own: the named ones, else as Neutron would."""
        find = self._api.find_security_group
        return self._security_groups or [named(find, "security group", "default").id]
