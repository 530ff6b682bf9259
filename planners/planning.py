"""Desired and Observed in, Plan out: each instance through its passes, then one graph."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import replace

import msgspec

from guest_agent.contract import report as words
from guest_agent.contract.report import Report, Root
from planners import observed as seen
from planners.case import (
    NOTHING,
    Answer,
    Case,
    Draft,
    Fingerprints,
    Found,
    SecretMissing,
    World,
    next_id,
)
from planners.graph import chained, validate
from planners.identity import instance_id
from planners.observed import Observed, Record
from planners.passes.access import access, floating_address
from planners.passes.ambiguity import ambiguous
from planners.passes.archive import archive
from planners.passes.backups import delete as delete_backups
from planners.passes.backups import take
from planners.passes.configuration import configuration
from planners.passes.create import infrastructure, prepare, start_server
from planners.passes.databases import databases
from planners.passes.delete import delete
from planners.passes.foreign import foreign, owner
from planners.passes.keys import key_rotation
from planners.passes.missing import incident
from planners.passes.region import region
from planners.passes.replace import replacements
from planners.passes.resize import marks, resize
from planners.passes.root import root
from planners.passes.upgrade import upgrade, waits_for_upgrade
from planners.passes.users import users
from planners.plan import Action, Change, Note, Obstacle, Plan, Summary, Verb
from planners.steps import DeleteBackup, TakeBackup
from specs.desired import Address, Desired
from specs.models import Backup


def make_plan(
    desired: Desired,
    observed: Observed,
    fingerprints: Fingerprints,
    cloud: str = "",
    targets: Collection[Address] = (),
    projects: Collection[str] = (),
    repository: str = "",
) -> Plan:
    """What it takes to make *observed* as *desired*.

    With *targets*, only those addresses are looked at; *projects* are the ones
    whose instances this repository owns besides those that it declares, as far
    as they carry the name *repository*.
    """
    found = _by_address(observed)
    world = World(
        observed=observed,
        fingerprints=fingerprints,
        group_values=desired.parameters,
    )
    owned = {address.project for address in desired.instances} | set(projects)
    wished = _by_instance(desired)
    backed_up = {Address(b.project, b.instance_name) for b in observed.backups}
    ours = (a for a in {*found, *backed_up} if a.project in owned)
    everything = sorted({*desired.instances, *wished, *ours})
    looked_at = [a for a in everything if not targets or a in targets]
    actions: list[Action] = []
    notes: list[Note] = []
    obstacles: list[Obstacle] = []
    basis: dict[str, str] = {}
    for address in looked_at:
        drafts: list[Draft] = []
        pieces = found.get(address, NOTHING)
        for answer in _answers(
            address, pieces, desired, world, repository, wished.get(address, {})
        ):
            if isinstance(answer, Draft):
                drafts.append(answer)
            elif isinstance(answer, Note):
                notes.append(answer)
            else:
                obstacles.append(answer)
        if drafts:
            actions += chained(str(address), drafts)
            basis[str(address)] = basis_of(address, pieces, observed)
    validate(actions)
    return Plan(
        revision=desired.revision,
        cloud=cloud,
        actions=actions,
        notes=notes,
        obstacles=obstacles,
        basis=basis,
        summary=_summary(desired, found, looked_at, basis, actions, observed, repository),
    )


def plan_of(
    drafts: Mapping[Address, Iterable[Draft]], observed: Observed, revision: str, cloud: str
) -> Plan:
    """A plan of just these *drafts*, which do not depend on anything else that was observed."""
    actions = [a for address, some in sorted(drafts.items()) for a in chained(str(address), some)]
    validate(actions)
    summary = Summary(backups=_backups(observed, actions))
    return Plan(revision=revision, cloud=cloud, actions=actions, summary=summary)


def ids_by_address(observed: Observed) -> dict[Address, str]:
    """The managed id of everything that exists."""
    return {address: found.id for address, found in _by_address(observed).items()}


def basis_by_address(observed: Observed, addresses: Iterable[str]) -> dict[str, str]:
    """The digests that a plan made from *observed* would carry for *addresses*."""
    found = _by_address(observed)
    wanted = set(addresses)
    result = {str(a): basis_of(a, f, observed) for a, f in found.items() if str(a) in wanted}
    for text in wanted - set(result):
        result[text] = basis_of(Address.parse(text), NOTHING, observed)
    return result


def basis_of(address: Address, found: Found, observed: Observed) -> str:
    """A digest of everything that planning *address* looked at, without what always moves."""
    report = observed.guests.get(found.id)
    steady = None
    if report:
        archive = replace(report.archive, until=0.0, fault="")
        steady = replace(report, volume_used=0, busy="", backup="", backup_read=0, archive=archive)
    record = observed.records.get(str(address), Record())
    return hashlib.sha256(msgspec.json.encode((found, steady, record))).hexdigest()


def _by_instance(desired: Desired) -> dict[Address, dict[str, Backup]]:
    """The declared backups by instance, then by name."""
    wished: dict[Address, dict[str, Backup]] = {}
    for (project, name), backup in desired.backups.items():
        wished.setdefault(Address(project, backup.spec.instance), {})[name] = backup
    return wished


def _answers(
    address: Address,
    found: Found,
    desired: Desired,
    world: World,
    repository: str,
    backups: Mapping[str, Backup],
) -> Answer:
    wanted = desired.instances.get(address)
    unclear = list(foreign(address, found, repository, wanted is not None))
    unclear += ambiguous(address, found)
    if unclear:
        yield from unclear
        return
    yield from delete_backups(address, backups, world.observed.backups)
    if wanted is None:
        report = world.observed.guests.get(found.id)
        yield from delete(address, found, report, world.observed.backups, "no longer declared")
        return
    record = world.observed.records.get(str(address), Record())
    case = Case(
        address=address,
        wanted=wanted,
        offer=desired.offers[address],
        volumes=desired.volumes[address],
        found=found,
        report=world.observed.guests.get(found.id) if found.server else None,
        record=record,
        id=found.id or next_id(address, record),
        world=world,
    )
    try:
        yield from _declared(case)
        if case.report is not None and case.report.status == words.RUNNING:
            yield from archive(case, case.report.archive)
            yield from take(case, backups, world.observed.backups)
    except SecretMissing as error:
        yield Obstacle(address=str(address), text=str(error))


def _declared(case: Case) -> Answer:
    lost = list(incident(case))
    if lost:
        yield from lost
        return
    if changes := replacements(case):
        yield from _replace(case, changes)
        return
    if unfit := list(region(case)):
        yield from unfit
        return
    yield from resize(case)
    yield from access(case)
    yield from floating_address(case)
    yield from infrastructure(case)
    yield from start_server(case)
    yield from upgrade(case)
    yield from marks(case)
    yield from key_rotation(case)
    if not waits_for_upgrade(case):
        yield from _inside(case)


def _inside(case: Case) -> Answer:
    """What happens on the server itself; an unreachable guest is unknown, never gone."""
    server, report = case.found.server, case.report
    fresh = server is None and not case.record.active
    if not fresh and report is None:
        if server is not None and server.status == "ACTIVE":
            text = "its guest does not answer; what is inside is unknown and left as it is"
            yield Note(address=str(case.address), text=text)
            return
        if server is not None and case.record.active:
            return
    yield from prepare(case)
    if report is not None and report.prepared:
        yield from configuration(case)
        if report.status != words.RUNNING:
            return
        yield from databases(case, report.databases, report.lost)
        yield from users(case, report.users, report.lost)
        yield from root(case, report.root)
    elif not case.record.active or case.found.volume is None:
        yield from _contents_of_new(case)


def _contents_of_new(case: Case) -> Answer:
    yield from databases(case, [], [])
    yield from users(case, [], [])
    yield from root(case, Root())


def _replace(case: Case, changes: list[Change]) -> Answer:
    lifecycle = case.wanted.spec.lifecycle
    fields = ", ".join(each.field for each in changes)
    if lifecycle.prevent_destroy or not lifecycle.allow_replace:
        how = "lifecycle.preventDestroy forbids that"
        if not lifecycle.prevent_destroy:
            how = "set lifecycle.allowReplace: true to accept the loss of its data"
        text = f"{fields} cannot change in place; it takes a new, empty instance: {how}"
        yield Obstacle(address=str(case.address), text=text)
        return
    reason = f"{fields} cannot change in place"
    stored = case.world.observed.backups
    for answer in delete(case.address, case.found, case.report, stored, reason, Verb.REPLACE):
        yield replace(answer, changes=changes) if isinstance(answer, Draft) else answer
    fresh_id = instance_id(*case.address, case.record.incarnation + 1)
    fresh = replace(case, found=NOTHING, report=None, record=Record(), id=fresh_id)
    for answer in _fresh(fresh):
        yield replace(answer, verb=Verb.REPLACE) if isinstance(answer, Draft) else answer


def _fresh(case: Case) -> Answer:
    yield from region(case)
    yield from resize(case)
    yield from access(case)
    yield from floating_address(case)
    yield from infrastructure(case)
    yield from _inside(case)


def _by_address(observed: Observed) -> dict[Address, Found]:
    found: dict[Address, Found] = {}

    def place(metadata: dict[str, str]) -> Found:
        address = Address(metadata.get(seen.PROJECT, ""), metadata.get(seen.NAME, ""))
        if address not in found:
            found[address] = Found([], [], [], [], [])
        return found[address]

    for server in observed.cloud.servers:
        if seen.ID in server.metadata:
            place(server.metadata).servers.append(server)
    for volume in observed.cloud.volumes:
        if seen.ID in volume.metadata:
            place(volume.metadata).volumes.append(volume)
    for port in observed.cloud.ports:
        if seen.ID in port.metadata:
            place(port.metadata).ports.append(port)
    for group in observed.cloud.groups:
        if seen.ID in group.metadata:
            place(group.metadata).groups.append(group)
    for floating in observed.cloud.floating:
        if seen.ID in floating.metadata:
            place(floating.metadata).floating.append(floating)
    return found


def _summary(
    desired: Desired,
    found: dict[Address, Found],
    looked_at: list[Address],
    basis: dict[str, str],
    actions: list[Action],
    observed: Observed,
    repository: str,
) -> Summary:
    gone = (Verb.DELETE, Verb.REPLACE)
    destroyed = sorted({a.address for a in actions if a.item == "server" and a.verb in gone})
    kept = [a for a in found if str(a) not in destroyed or a in desired.instances]
    remaining = sorted({*kept, *desired.instances})
    instances: dict[str, int] = {}
    volumes: dict[str, int] = {}
    for address in remaining:
        project = address.project
        instances[project] = instances.get(project, 0) + 1
        volumes[project] = volumes.get(project, 0) + _volume_size(address, desired, found)
    return Summary(
        managed=dict(
            Counter(a.project for a, pieces in found.items() if owner(pieces) == repository)
        ),
        destroyed=destroyed,
        instances=instances,
        volumes=volumes,
        backups=_backups(observed, actions),
        unchanged=sum(
            str(a) not in basis for a in looked_at if a in found or a in desired.instances
        ),
    )


def _backups(observed: Observed, actions: Iterable[Action]) -> dict[str, int]:
    """How many backups each project has when *actions* are done."""
    after = {b.id: b.project for b in observed.backups}
    for step in (action.step for action in actions):
        if isinstance(step, TakeBackup):
            after[step.backup] = step.project
        elif isinstance(step, DeleteBackup):
            after.pop(step.backup, None)
    return dict(Counter(after.values()))


def _volume_size(address: Address, desired: Desired, found: dict[Address, Found]) -> int:
    there = {v.kind: v.size for v in found[address].volumes} if address in found else {}
    wanted = {kind: v.size for kind, v in desired.volumes.get(address, {}).items()}
    return sum(max(there.get(kind, 0), wanted.get(kind, 0)) for kind in {*there, *wanted})


def reports_by_address(observed: Observed) -> Iterator[tuple[Address, Found, Report | None]]:
    """Every managed address with its pieces and its guest's report."""
    for address, found in sorted(_by_address(observed).items()):
        yield address, found, observed.guests.get(found.id)
