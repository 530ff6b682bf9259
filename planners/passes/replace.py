"""Changes that cannot be made in place: another datastore, zone, placement or volume type."""

from __future__ import annotations

from planners import observed as seen
from planners.case import Case
from planners.passes.create import placement
from planners.plan import Change


def replacements(case: Case) -> list[Change]:
    """The differences that only a new, empty instance could remove; usually none."""
    spec, server, volume = case.wanted.spec, case.found.server, case.found.volume
    changes = []
    datastore = case.offer.definition.name
    # The volume is asked first: after a server is gone, it alone knows whose data it holds.
    for piece in (volume, server):
        there = piece.metadata.get(seen.DATASTORE, datastore) if piece else datastore
        if there != datastore:
            changes.append(Change(field="datastore.name", before=there, after=datastore))
            break
    present = next((each.region for each in (volume, server) if each), case.region)
    if present != case.region:
        first = case.world.observed.cloud.region or "the first"
        changes.append(Change(field="region", before=present or first, after=case.region or first))
    # A server that is being built has no zone yet.
    zone = spec.availability_zone
    if server is not None and server.zone and zone and server.zone != zone:
        changes.append(Change(field="availabilityZone", before=server.zone, after=zone))
    if server is not None and server.metadata.get(seen.PLACEMENT, "") != placement(case):
        placed = server.metadata.get(seen.PLACEMENT)
        changes.append(Change(field="placement", before=placed, after=placement(case) or None))
    for kind, wished in case.volumes.items():
        there_of = case.found.volume_of(kind)
        if there_of is not None and wished.type and there_of.type != wished.type:
            field = "volume.type" if kind == seen.DATA else f"{kind}.type"
            changes.append(Change(field=field, before=there_of.type, after=wished.type))
    kinds = {each.kind for each in case.found.volumes}
    if server is not None and volume is not None and kinds != set(case.volumes):
        before, after = (", ".join(sorted(each)) for each in (kinds, case.volumes))
        changes.append(Change(field="volumeLayout", before=before, after=after))
    return changes
