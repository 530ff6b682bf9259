"""Changes that cannot be made in place: another datastore, zone or volume type."""

from __future__ import annotations

from planners import observed as seen
from planners.case import Case
from planners.plan import Change


def replacements(case: Case) -> list[Change]:
    """The differences that only a new, empty instance could remove; usually none."""
    spec, server, volume = case.wanted.spec, case.found.server, case.found.volume
    changes = []
    if server is not None:
        datastore = server.metadata.get(seen.DATASTORE, case.offer.definition.name)
        if datastore != case.offer.definition.name:
            after = case.offer.definition.name
            changes.append(Change(field="datastore.name", before=datastore, after=after))
        if spec.availability_zone and server.zone != spec.availability_zone:
            after = spec.availability_zone
            changes.append(Change(field="availabilityZone", before=server.zone, after=after))
    if volume is not None and spec.volume.type and volume.type != spec.volume.type:
        changes.append(Change(field="volume.type", before=volume.type, after=spec.volume.type))
    return changes
