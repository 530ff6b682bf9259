"""What OpenStack Trove manages, read through the SDK: instances that can be adopted.

Trove tells an instance's name, datastore, addresses and configuration group; by
its address the port is found, by the port the server and its volume. What is in
the database only Trove's guest knows, which need not answer.
"""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from executors.cloud import openstack_pieces as pieces
from executors.errors import ActionError, Failed
from executors.openstack_api import connected, errors
from planners import observed as seen
from planners.adoption import Candidate
from planners.steps import Pieces
from specs.definitions import Definition, Definitions

_SERVICES = ("compute", "block_storage", "network", "database")
_WAIT_SECONDS = 10.0
"""For any answer; what Trove would have to ask a silent guest for is left out."""
_AT_ONCE = 8
NOTE = (
    "Trove still manages it, too, and no gitrove guest runs in it: it is watched and protected, "
    "and what is inside is left alone. To move it, restore its data into a new instance."
)


@dataclass(frozen=True)
class _Cloud:
    """What an instance is looked up in: pieces by what leads to them."""

    ports: Mapping[str, Any]
    servers: Mapping[str, Any]
    volumes: Mapping[str, Any]


def candidates(cloud: str, region: str | None, definitions: Definitions) -> list[Candidate]:
    """Every instance of Trove's that is not adopted yet. Raises Passing or Failed."""
    api = connected(cloud, region, _SERVICES)
    with errors("look at the cloud"):
        there = _Cloud(
            ports={pieces.address(port): port for port in api.network.ports()},
            servers={server.id: server for server in api.compute.servers()},
            volumes={volume.id: volume for volume in api.block_storage.volumes()},
        )
    told = _listed(api.database, "/instances", "instances")

    def one(listed: dict[str, Any]) -> Candidate | None:
        full = _got(api.database, f"/instances/{listed['id']}", "instance")
        return _candidate(full, there, definitions, api.database)

    with ThreadPoolExecutor(_AT_ONCE, "trove") as pool:
        return [each for each in pool.map(one, told) if each is not None]


def _candidate(
    told: dict[str, Any], there: _Cloud, definitions: Definitions, database: Any
) -> Candidate | None:
    """None for what gitrove has already."""
    server, port = _server_and_port(told, there)
    if server is not None and seen.ID in server.metadata:
        return None
    software, number = told["datastore"]["type"], _number(told["datastore"])
    definition = definitions.get(software)
    version = _version(number, definition)
    data = [] if server is None else _data_volumes(server, there)
    refusal = ""
    if definition is None or not version:
        refusal = f"gitrove has no {software} {number}"
    elif server is None:
        refusal = "its server is in no project that this login sees"
    elif len(data) != 1:
        refusal = f"{len(data)} volumes are attached to it besides its root disk, not one"
    if refusal or definition is None or server is None:
        shown = {"datastore": {"name": software, "version": number}}
        held = Pieces(server.id if server is not None else "")
        return Candidate(
            name=told["name"],
            origin=f"Trove {told['id']}",
            pieces=held,
            spec=shown,
            marks={},
            refusal=refusal,
        )
    spec: dict[str, Any] = {
        "datastore": {"name": definition.name, "version": version},
        "flavor": pieces.flavor(server),
        "volume": {"size": data[0].size, "type": data[0].volume_type},
        "availabilityZone": server.availability_zone,
        "lifecycle": {"preventDestroy": True},
    }
    return Candidate(
        name=told["name"],
        origin=f"Trove {told['id']}",
        pieces=Pieces(server.id, [data[0].id], [port.id]),
        spec=spec | _contents(told["id"], definition, database),
        values=_values(told, definition, database),
        marks={seen.DATASTORE: definition.name, seen.VERSION: version, seen.PROTECTED: "true"},
        note=NOTE,
    )


def _server_and_port(told: Mapping[str, Any], there: _Cloud) -> tuple[Any, Any]:
    """What has the instance's address; None for what is not visible."""
    addresses = [each["address"] for each in told.get("addresses", [])]
    port = next((there.ports[each] for each in addresses if each in there.ports), None)
    return (there.servers.get(port.device_id), port) if port is not None else (None, None)


def _data_volumes(server: Any, there: _Cloud) -> list[Any]:
    ids = [each["id"] for each in server.attached_volumes]
    attached = [there.volumes[each] for each in ids if each in there.volumes]
    return [volume for volume in attached if not volume.is_bootable]


def _number(told: Mapping[str, Any]) -> str:
    return str(told.get("version_number") or told["version"])


def _version(number: str, definition: Definition | None) -> str:
    """The version of the definition that this one of Trove's is; empty where it is none."""
    known = definition.versions if definition is not None else ()
    return next((each for each in known if f"{number}.".startswith(f"{each}.")), "")


def _contents(instance: str, definition: Definition, database: Any) -> dict[str, Any]:
    """Databases and users, as far as Trove's guest answers."""
    contents: dict[str, Any] = {}
    try:
        if definition.can("databases"):
            listed = _listed(database, f"/instances/{instance}/databases", "databases")
            contents["databases"] = [{"name": each["name"]} for each in listed]
        if definition.can("users"):
            users = _listed(database, f"/instances/{instance}/users", "users")
            contents["users"] = [_user(each, definition) for each in users]
    except ActionError:
        return {}
    return {key: value for key, value in contents.items() if value}


def _user(told: Mapping[str, Any], definition: Definition) -> dict[str, Any]:
    user: dict[str, Any] = {"name": told["name"]}
    if definition.can("hosts") and told.get("host"):
        user["host"] = told["host"]
    if told.get("databases"):
        user["grants"] = [{"database": each["name"]} for each in told["databases"]]
    return user


def _values(told: Mapping[str, Any], definition: Definition, database: Any) -> dict[str, Any]:
    group = told.get("configuration")
    if not group:
        return {}
    values = _got(database, f"/configurations/{group['id']}", "configuration")["values"]
    return {name: value for name, value in values.items() if name in definition.parameters}


def _listed(database: Any, path: str, key: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    marker: dict[str, str] = {}
    while True:
        body = _answered(database, path, {"limit": "100"} | marker)
        found += body[key]
        following = [link["href"] for link in body.get("links", []) if link["rel"] == "next"]
        if not following or not body[key]:
            return found
        marker = {"marker": body[key][-1].get("id") or body[key][-1]["name"]}


def _got(database: Any, path: str, key: str) -> dict[str, Any]:
    body: dict[str, Any] = _answered(database, path, {})[key]
    return body


def _answered(database: Any, path: str, query: Mapping[str, str]) -> dict[str, Any]:
    with errors("ask Trove"):
        answer = database.get(path, params=dict(query), timeout=_WAIT_SECONDS)
    if not answer.ok:
        raise Failed(f"Trove answers {answer.status_code} for {path}")
    body: dict[str, Any] = answer.json()
    return body
