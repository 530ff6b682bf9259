"""Make what is missing of an instance: port and volume, the server around them, the database.

It serves the first creation, the rest of an interrupted one, and the server of
an instance whose volume is still there: its data is attached again, not lost.
"""

from __future__ import annotations

from planners import observed as seen
from planners.case import Answer, Case, Draft
from planners.observed import StoredBackup
from planners.passes.backups import restored, utc
from planners.plan import Change, Impact, Note, Obstacle, Verb
from planners.steps import BackupRef, CreatePort, CreateServer, CreateVolume, Prepare, StartServer


def infrastructure(case: Case) -> Answer:
    """Drafts for the port, the volume and the server that do not exist."""
    spec, found = case.wanted.spec, case.found
    project, name = case.address
    reason = _reason(case)
    verb = Verb.CREATE if not case.record.active else Verb.REPAIR
    if not case.offer.active and not found.anything:
        text = f"{case.offer.datastore} {case.offer.version} is not active; choose another version"
        yield Obstacle(address=str(case.address), text=text)
    zone = spec.availability_zone or ""
    if found.port is None:
        fixed = spec.access.address or ""
        step = CreatePort(
            instance=case.id, project=project, name=name, region=case.region, address=fixed
        )
        fields = [Change(field="address", after=fixed)] if fixed else []
        yield Draft("port", verb, step, reason, changes=fields)
    for kind, wished in case.volumes.items():
        if found.volume_of(kind) is not None:
            continue
        volume = CreateVolume(
            instance=case.id,
            project=project,
            name=name,
            region=case.region,
            size=wished.size,
            datastore=case.offer.definition.name,
            volume_type=wished.type or "",
            zone=zone,
            kind=kind,
            image=case.offer.image if kind == seen.ROOT else "",
        )
        changes = [Change(field="size", after=f"{wished.size} GiB")]
        if wished.type:
            changes.append(Change(field="type", after=wished.type))
        yield Draft(volume_item(kind), verb, volume, reason, changes=changes)
    images = case.catalogue.images
    if found.server is None and images and case.offer.image not in images:
        text = f'the cloud has no image "{case.offer.image}" for {case.offer.datastore}'
        yield Obstacle(address=str(case.address), text=f"{text} {case.offer.version}")
    if found.server is None:
        server = CreateServer(
            instance=case.id,
            project=project,
            name=name,
            region=case.region,
            flavor=spec.flavor,
            image=case.offer.image,
            datastore=case.offer.definition.name,
            version=case.offer.version,
            rotation=spec.guest_key.rotation,
            kinds=list(case.volumes),
            zone=zone,
            group=spec.placement.group if spec.placement else "",
            policy=spec.placement.policy if spec.placement else "",
        )
        changes = [
            Change(field="datastore", after=f"{case.offer.datastore} {case.offer.version}"),
            Change(field="flavor", after=spec.flavor),
        ]
        if spec.placement:
            changes.append(Change(field="placement", after=placement(case)))
        yield Draft("server", verb, server, reason, changes=changes)


def volume_item(kind: str) -> str:
    return "volume" if kind == seen.DATA else f"volume {kind}"


def placement(case: Case) -> str:
    """The server group that is wished for and its policy, as a server is marked with it."""
    wished = case.wanted.spec.placement
    return f"{wished.group} {wished.policy}" if wished else ""


def start_server(case: Case) -> Answer:
    """A draft to switch on a server that is off; of one in ERROR, only a note."""
    server = case.found.server
    if server is not None and server.status == "ERROR":
        text = "its server is in ERROR and left as it is; ask the cloud why, and reset its state"
        yield Note(address=str(case.address), text=text)
    if server is not None and server.status == "SHUTOFF":
        step = StartServer(instance=case.id, server=server.id)
        yield Draft("server", Verb.REPAIR, step, "the server is off", Impact.NONE)


def prepare(case: Case) -> Answer:
    """A draft to bring the database into being, where no prepare has ended yet."""
    if case.report is not None and case.report.prepared:
        return
    restore: list[StoredBackup] = []
    until = case.wanted.spec.restore_from.until if case.wanted.spec.restore_from else 0.0
    if case.wanted.spec.restore_from is not None and not case.record.active:
        found = restored(case)
        if isinstance(found, Obstacle):
            yield found
            return
        restore = found
    step = Prepare(
        instance=case.id,
        datastore=case.offer.definition.name,
        memory=case.memory,
        configuration=dict(sorted(case.configuration.items())),
        restore=[BackupRef(each.id, each.instance, each.project, each.storage) for each in restore],
        until=until if restore else 0.0,
    )
    reason = "the server is new"
    if restore:
        last = restore[-1]
        reason = f"it gets the data of {last.instance_name} as of {utc(until or last.finished)}"
    if case.report is not None and case.report.fault:
        reason = f"the last attempt failed: {case.report.fault}"
    changes = [
        Change(field=f"restore {b.kind} backup", after=f"{b.name}, {b.raw_bytes >> 20} MiB of data")
        for b in restore
    ]
    changes += [Change(field=k, after=v) for k, v in step.configuration.items()]
    yield Draft("database server", Verb.CREATE, step, reason, changes=changes)


def _reason(case: Case) -> str:
    if not case.found.anything:
        return "declared and does not exist"
    if case.record.active and case.found.server is None:
        return "the server is gone; its volume is there and will be attached again"
    return "an earlier creation was interrupted"
