"""Instances that exist and are nobody's, as specs and as a plan that marks them as ours.

Adopting changes nothing but marks: what a server does, and what is on its
volume, stays as it is. The specs are what was found, so that the next plan has
nothing to do.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from guest_agent.contract.report import Report, Root, User
from planners import observed as seen
from planners.case import Draft, Fingerprints, Found, next_id
from planners.observed import CloudState, Observed, Record, Server
from planners.plan import Change, Verb
from planners.planning import reports_by_address
from planners.steps import Adopt, Pieces, SecretSource
from specs.definitions import Definition, Definitions
from specs.desired import Address
from specs.models.document import API_VERSION

_ROTATIONS = 100
"""As many passwords of gitrove's own making are compared with the one in use."""


@dataclass(frozen=True)
class Candidate:
    """One instance that can be adopted, under a name of its own.

    ``spec`` is the Instance's as it is written, ``values`` are its parameters, ``volumes``
    its volumes where it has several. ``id`` is the managed id that it carries, if it does;
    ``origin`` says where it is from.
    """

    name: str
    origin: str
    pieces: Pieces
    spec: Mapping[str, Any]
    marks: Mapping[str, str]
    """Metadata that its server and volumes get beside their identity."""
    values: Mapping[str, Any] = field(default_factory=dict)
    volumes: list[dict[str, Any]] = field(default_factory=list)
    id: str = ""
    note: str = ""
    """What the person should know."""
    refusal: str = ""
    """Why it cannot be adopted after all."""


def of_other_repositories(
    observed: Observed, repository: str, definitions: Definitions, fingerprints: Fingerprints
) -> list[Candidate]:
    """Instances with a gitrove guest that answers to our key and carry another repository's name.

    Also those that were made by hand and carry no repository's name.
    """
    found = []
    for _, pieces, report in reports_by_address(observed):
        if pieces.server is None or pieces.volume is None or report is None:
            continue
        theirs = pieces.server.metadata.get(seen.REPOSITORY, "")
        if theirs == repository or report.datastore not in definitions:
            continue
        definition = definitions[report.datastore]
        found.append(_candidate(pieces, pieces.server, report, definition, fingerprints))
    return found


def _candidate(
    pieces: Found,
    server: Server,
    report: Report,
    definition: Definition,
    fingerprints: Fingerprints,
) -> Candidate:
    metadata = server.metadata
    theirs, managed = metadata.get(seen.REPOSITORY, ""), metadata[seen.ID]
    logins = _Logins(managed, definition, fingerprints)
    sizes = [{"kind": v.kind, "size": v.size, "type": v.type} for v in pieces.volumes]
    spec: dict[str, Any] = {
        "datastore": {"name": report.datastore},
        "flavor": server.flavor,
        "region": server.region,
        "availabilityZone": server.zone,
        "databases": [{"name": each.name} for each in report.databases if each.managed],
        "users": [logins.user(each) for each in report.users if each.managed],
        "root": logins.root(report.root),
        "pointInTimeRecovery": report.archive.enabled,
        "access": _access(pieces),
        "lifecycle": _lifecycle(metadata),
    }
    if version := metadata.get(seen.VERSION):
        spec["datastore"]["version"] = version
    if rotation := metadata.get(seen.KEY_ROTATION):
        spec["guestKey"] = {"rotation": int(rotation)}
    if len(sizes) == 1:
        spec["volume"] = {"size": sizes[0]["size"], "type": sizes[0]["type"]}
    placed = metadata.get(seen.PLACEMENT)
    return Candidate(
        name=metadata.get(seen.NAME, server.name),
        origin=f'repository "{theirs}"' if theirs else "no repository",
        pieces=Pieces(
            server=server.id,
            volumes=[each.id for each in pieces.volumes],
            ports=[each.id for each in pieces.ports],
            groups=[each.id for each in pieces.groups],
            floating=[each.id for each in pieces.floating],
        ),
        spec={key: value for key, value in spec.items() if value},
        marks={seen.DATASTORE: report.datastore},
        values=report.configuration.file,
        volumes=sizes if len(sizes) > 1 else [],
        id=managed,
        note="; ".join(logins.unknown),
        refusal="it stands in a server group, which belongs to its repository" if placed else "",
    )


class _Logins:
    """Users and root as they are written, with the passwords that gitrove made for them."""

    def __init__(self, instance: str, definition: Definition, fingerprints: Fingerprints) -> None:
        self._instance = instance
        self._definition = definition
        self._fingerprints = fingerprints
        self.unknown: list[str] = []

    def user(self, told: User) -> dict[str, Any]:
        login: dict[str, Any] = {"name": told.name}
        if told.host and self._definition.can("hosts"):
            login["host"] = told.host
        login |= self._password(f"{told.name}@{told.host}", told.fingerprint)
        grants = sorted(told.grants.items())
        return login | {"grants": [{"database": d, "privileges": list(p)} for d, p in grants]}

    def root(self, told: Root) -> dict[str, Any]:
        return {"enabled": True} | self._password("root", told.fingerprint) if told.enabled else {}

    def _password(self, login: str, fingerprint: str) -> dict[str, Any]:
        for rotation in range(1, _ROTATIONS + 1):
            source = SecretSource(rotation)
            if self._fingerprints.fingerprint(self._instance, login, source) == fingerprint:
                return {"password": {"rotation": rotation}} if rotation > 1 else {}
        self.unknown.append(
            f"the password of {login} is not one that gitrove made: say in its spec where it is "
            "from before you apply, or it gets another"
        )
        return {}


def _access(pieces: Found) -> dict[str, Any]:
    access: dict[str, Any] = {}
    if pieces.group is not None:
        access["allowedCidrs"] = list(pieces.group.cidrs)
    if pieces.floating:
        access["floatingNetwork"] = pieces.floating[0].network
    return access


def _lifecycle(metadata: Mapping[str, str]) -> dict[str, Any]:
    lifecycle: dict[str, Any] = {}
    if metadata.get(seen.PROTECTED):
        lifecycle["preventDestroy"] = True
    if metadata.get(seen.FINAL_BACKUP):
        lifecycle["onDelete"] = "finalBackup"
    return lifecycle


def documents(candidates: Iterable[Candidate], project: str) -> list[dict[str, Any]]:
    """The specs, as documents to be written in this order."""
    written: list[dict[str, Any]] = []
    for each in candidates:
        spec = dict(each.spec)
        if each.values:
            group = spec["configuration"] = f"{each.name}-parameters"
            of_group = {"datastore": dict(each.spec["datastore"]), "values": dict(each.values)}
            written.append(_document("ConfigurationGroup", group, project, of_group))
        if each.volumes:
            layout = spec["volumeLayout"] = f"{each.name}-volumes"
            written.append(_document("VolumeLayout", layout, project, {"volumes": each.volumes}))
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
            pieces=each.pieces,
            marks=dict(each.marks),
        )
        change = Change(field="belongs to", before=each.origin, after=str(address))
        reason = "it exists, and nothing about it changes but its marks"
        marked[address] = [Draft("instance", Verb.UPDATE, step, reason, changes=[change])]
    return marked


def unclear(candidates: Iterable[Candidate], state: CloudState, project: str) -> list[str]:
    """Why these cannot be adopted: a name that is taken, or twice among them, and the like."""
    taken = {
        s.metadata.get(seen.NAME, ""): s.id
        for s in state.servers
        if s.metadata.get(seen.PROJECT) == project
    }
    said: list[str] = []
    names: set[str] = set()
    for each in candidates:
        if each.refusal:
            said.append(f"{each.name}: {each.refusal}")
        if taken.get(each.name, each.pieces.server) != each.pieces.server:
            said.append(f"{project}/{each.name} exists already, as the server {taken[each.name]}")
        if each.name in names:
            said.append(f"two of them are called {each.name}; adopt one by its server's id")
        names.add(each.name)
    return said
