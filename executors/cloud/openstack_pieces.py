"""What Nova, Cinder and Neutron tell of a piece, as the planner knows it; and how it is marked."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any

from executors.cloud.interface import Identity
from planners import observed as seen
from planners.observed import FloatingAddress, Group, Port, Server, Volume

TAG = "gitrove"


def name(identity: Identity) -> str:
    return f"{identity.project}-{identity.name}"


def description(instance: str) -> str:
    """By it a port is found that was made, but not tagged yet: tags are a call of their own."""
    return f"{seen.ID}={instance}"


def tags(identity: Identity) -> list[str]:
    return [TAG, *(f"{key}={value}" for key, value in identity.metadata().items())]


def volume_name(server: str, kind: str) -> str:
    return server if kind == seen.DATA else f"{server}-{kind}"


def server_group(metadata: Mapping[str, str], group: str) -> str:
    """The name of a server group of the project that *metadata* names."""
    owner = (metadata.get(seen.REPOSITORY, ""), metadata[seen.PROJECT])
    return ".".join([TAG, *filter(None, owner), group])


def server(
    told: Any, ports: Mapping[str, str], images: Mapping[str, str], roots: Mapping[str, str]
) -> Server:
    """*ports* has the ids of ports by server, *images* names by id.

    *roots* has the ids of the images that volumes to boot from were made of.
    """
    attached = [roots[each["id"]] for each in told.attached_volumes if each["id"] in roots]
    image = (told.image or {}).get("id") or next(iter(attached), "")
    return Server(
        id=told.id,
        region=told.metadata.get(seen.REGION, ""),
        name=told.metadata.get(seen.NAME, told.name),
        status=told.status,
        flavor=flavor(told),
        image=images.get(image, image),
        zone=told.availability_zone or "",
        host=told.hypervisor_hostname or (told.host_id or "")[:8],
        port=ports.get(told.id, ""),
        metadata=dict(told.metadata),
    )


def image_of(volume: Any) -> str:
    """The id of the image that was written to a volume; empty when none was."""
    return str((volume.volume_image_metadata or {}).get("image_id", ""))


def image_digest(told: Any) -> str:
    """Tells images apart by what is in them and what they ask of a host, not by their id."""
    told_of = (told.hash_value or told.checksum, told.disk_format, told.container_format)
    asked = (told.min_ram, told.min_disk, told.architecture, told.hw_disk_bus)
    return hashlib.sha256(repr((told_of, asked)).encode()).hexdigest()[:16]


def flavor(told: Any) -> str:
    return str(told.flavor.original_name or told.flavor.name or "")


def volume(told: Any) -> Volume:
    return Volume(
        id=told.id,
        region=told.metadata.get(seen.REGION, ""),
        name=told.metadata.get(seen.NAME, told.name),
        status=told.status,
        size=told.size,
        kind=told.metadata.get(seen.VOLUME_KIND, seen.DATA),
        type=told.volume_type or "",
        zone=told.availability_zone or "",
        server=told.attachments[0]["server_id"] if told.attachments else "",
        metadata=dict(told.metadata),
    )


def port(told: Any) -> Port:
    metadata = tagged(told)
    return Port(
        id=told.id,
        region=metadata.get(seen.REGION, ""),
        name=metadata.get(seen.NAME, told.name),
        address=address(told),
        server=told.device_id or "",
        metadata=metadata,
    )


def group(told: Any, ports: Iterable[Any]) -> Group:
    metadata = tagged(told)
    opened = [opens(rule) for rule in ingress(told)]
    return Group(
        id=told.id,
        region=metadata.get(seen.REGION, ""),
        name=metadata.get(seen.NAME, told.name),
        cidrs=sorted(cidr for cidr, _ in opened),
        # Rules for other TCP ports are not what was declared, whatever else there is.
        database=opened[0][1] if len({port for _, port in opened}) == 1 else 0,
        port=next((p.id for p in ports if told.id in p.security_group_ids), ""),
        metadata=metadata,
    )


def ingress(told: Any) -> list[Any]:
    return [rule for rule in told.security_group_rules if rule["direction"] == "ingress"]


def opens(told: Any) -> tuple[str, int]:
    """The network and the TCP port that a rule opens; port 0 for one that opens more than one."""
    first, last = told["port_range_min"], told["port_range_max"]
    one = first == last and told["protocol"] in ("tcp", "6")
    return told["remote_ip_prefix"] or "", (first or 0) if one else 0


def address(told: Any) -> str:
    return str(told.fixed_ips[0]["ip_address"]) if told.fixed_ips else ""


def floating(told: Any, networks: Mapping[str, str]) -> FloatingAddress:
    """*networks* has names by id."""
    metadata = tagged(told)
    return FloatingAddress(
        id=told.id,
        region=metadata.get(seen.REGION, ""),
        name=metadata.get(seen.NAME, ""),
        address=told.floating_ip_address,
        network=networks.get(told.floating_network_id, ""),
        port=told.port_id or "",
        metadata=metadata,
    )


def tagged(told: Any) -> dict[str, str]:
    """The identity that the tags of a piece of Neutron's are."""
    return dict(tag.split("=", 1) for tag in told.tags if "=" in tag)
