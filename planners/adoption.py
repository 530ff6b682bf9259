"""Instances that exist and are nobody's, as specs and as a plan that marks them as ours.

Adopting changes nothing but marks: what a server does, and what is on its
volume, stays as it is. The specs are what was found, so that the next plan has
nothing to do.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from guest_agent.contract.report import Report
from planners import observed as seen
from planners.case import Draft, next_id
from planners.observed import CloudState, Observed, Port, Record, Server, Volume
from planners.plan import Change, Verb
from planners.planning import reports_by_address
from planners.steps import Adopt
from specs.definitions import Definitions
from specs.desired import Address
from specs.models.document import API_VERSION


@dataclass(frozen=True)
class Candidate:
    """One instance that can be adopted, under a name of its own.

    ``spec`` is the Instance's as it is written; ``values`` are its parameters.
    ``id`` is the managed id that it carries, if it does; ``origin`` says where it is from.
    """

    name: str
    origin: str
    server: str
    volume: str
    port: str
    spec: Mapping[str, Any]
    marks: Mapping[str, str]
    """Metadata that its server and volume get beside their identity."""
    values: Mapping[str, Any] = field(default_factory=dict)
    id: str = ""
    note: str = ""
    """What the person should know."""


def of_other_repositories(
    observed: Observed, repository: str, definitions: Definitions
) -> list[Candidate]:
    """Instances with a gitrove guest that answers to our key and carry another repository's name.

    Also those that a person made from an exported template under no repository.
    """
    found = []
    for _, pieces, report in reports_by_address(observed):
        server, volume, port = pieces.server, pieces.volume, pieces.port
        if server is None or volume is None or port is None or report is None:
            continue
        theirs = server.metadata.get(seen.REPOSITORY, "")
        if theirs == repository or report.datastore not in definitions:
            continue
        found.append(_candidate(server, volume, port, report, theirs))
    return found


def _candidate(
    server: Server, volume: Volume, port: Port, report: Report, theirs: str
) -> Candidate:
    version = server.metadata.get(seen.VERSION, "")
    spec: dict[str, Any] = {
        "datastore": {"name": report.datastore, **({"version": version} if version else {})},
        "flavor": server.flavor,
        "volume": {"size": volume.size, "type": volume.type},
        "availabilityZone": server.zone,
    }
    databases = [{"name": each.name} for each in report.databases if each.managed]
    users = [_user(u.name, u.host, u.grants) for u in report.users if u.managed]
    spec |= {"databases": databases} if databases else {}
    spec |= {"users": users} if users else {}
    if server.metadata.get(seen.PROTECTED):
        spec["lifecycle"] = {"preventDestroy": True}
    return Candidate(
        name=server.metadata.get(seen.NAME, server.name),
        origin=f'repository "{theirs}"' if theirs else "no repository",
        server=server.id,
        volume=volume.id,
        port=port.id,
        spec=spec,
        marks={seen.DATASTORE: report.datastore},
        values=report.configuration.file,
        id=server.metadata[seen.ID],
    )


def _user(name: str, host: str, grants: Mapping[str, list[str]]) -> dict[str, Any]:
    told: dict[str, Any] = {"name": name}
    if host:
        told["host"] = host
    told["grants"] = [{"database": d, "privileges": list(p)} for d, p in sorted(grants.items())]
    return told


def documents(candidates: Iterable[Candidate], project: str) -> list[dict[str, Any]]:
    """The specs, as documents to be written in this order."""
    written: list[dict[str, Any]] = []
    for each in candidates:
        spec = dict(each.spec)
        if each.values:
            group = spec["configuration"] = f"{each.name}-parameters"
            of_group = {"datastore": dict(each.spec["datastore"]), "values": dict(each.values)}
            written.append(_document("ConfigurationGroup", group, project, of_group))
        written.append(_document("Instance", each.name, project, spec))
    return written


def _document(kind: str, name: str, project: str, spec: Mapping[str, Any]) -> dict[str, Any]:
    metadata = {"name": name, "project": project}
    return {"apiVersion": API_VERSION, "kind": kind, "metadata": metadata, "spec": dict(spec)}


def ids(
    candidates: Iterable[Candidate], project: str, records: Mapping[str, Record]
) -> dict[Address, str]:
    """The managed ids: what carries one keeps it."""
    addresses = {Address(project, each.name): each.id for each in candidates}
    return {a: known or next_id(a, records.get(str(a), Record())) for a, known in addresses.items()}


def drafts(
    candidates: Iterable[Candidate], project: str, ids: Mapping[Address, str]
) -> dict[Address, list[Draft]]:
    """What marks the *candidates* as ours; *ids* are their managed ones."""
    marked: dict[Address, list[Draft]] = {}
    for each in candidates:
        address = Address(project, each.name)
        step = Adopt(
            instance=ids[address],
            project=project,
            name=each.name,
            server=each.server,
            volume=each.volume,
            port=each.port,
            marks=dict(each.marks),
        )
        change = Change(field="belongs to", before=each.origin, after=str(address))
        reason = "it exists, and nothing about it changes but its marks"
        marked[address] = [Draft("instance", Verb.UPDATE, step, reason, changes=[change])]
    return marked


def unclear(candidates: Iterable[Candidate], state: CloudState, project: str) -> list[str]:
    """Why these cannot be adopted together: a name that is taken, or twice among them."""
    taken = {
        s.metadata.get(seen.NAME, ""): s.id
        for s in state.servers
        if s.metadata.get(seen.PROJECT) == project
    }
    said: list[str] = []
    names: set[str] = set()
    for each in candidates:
        if taken.get(each.name, each.server) != each.server:
            said.append(f"{project}/{each.name} exists already, as the server {taken[each.name]}")
        if each.name in names:
            said.append(f"two of them are called {each.name}; adopt one by its server's id")
        names.add(each.name)
    return said
