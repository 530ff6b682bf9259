"""More than one piece carrying one identity: nobody can tell which data is right, so stop."""

from __future__ import annotations

from collections.abc import Sequence

from planners.case import Answer, Found
from planners.observed import Group, Server, Volume
from planners.plan import Obstacle
from specs.desired import Address


def ambiguous(address: Address, found: Found) -> Answer:
    """An obstacle that names every piece of a kind that exists more than once."""
    kinds: dict[str, Sequence[Server | Volume | Group]] = {
        "servers": found.servers,
        "security groups": found.groups,
    }
    for volume in found.volumes:
        same = [each for each in found.volumes if each.kind == volume.kind]
        kinds[f"volumes of the kind {volume.kind}"] = same
    for kind, pieces in kinds.items():
        if len(pieces) > 1:
            ids = ", ".join(piece.id for piece in pieces)
            text = f"{len(pieces)} {kind} carry its identity: {ids}; remove the wrong one by hand"
            yield Obstacle(address=str(address), text=text)
