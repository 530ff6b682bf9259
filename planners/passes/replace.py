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
    # A server that is being built has no zone yet.
    after = spec.availability_zone
    if server is not None and server.zone and after and server.zone != after:
        changes.append(Change(field="availabilityZone", before=server.zone, after=after))
    if server is not None and server.metadata.get(seen.PLACEMENT, "") != placement(case):
        before = server.metadata.get(seen.PLACEMENT)
        changes.append(Change(field="placement", before=before, after=placement(case) or None))
    if volume is not None and spec.volume.type and volume.type != spec.volume.type:
        changes.append(Change(field="volume.type", before=volume.type, after=spec.volume.type))
    return changes
