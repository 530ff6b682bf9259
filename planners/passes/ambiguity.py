"""More than one piece carrying one identity: nobody can tell which data is right, so stop."""

from __future__ import annotations

from planners.case import Answer, Found
from planners.plan import Obstacle
from specs.desired import Address


def ambiguous(address: Address, found: Found) -> Answer:
    """An obstacle that names every piece of a kind that exists more than once."""
    kinds = (
        ("servers", found.servers),
        ("volumes", found.volumes),
        ("security groups", found.groups),
    )
    for kind, pieces in kinds:
        if len(pieces) > 1:
            ids = ", ".join(piece.id for piece in pieces)
            text = f"{len(pieces)} {kind} carry its identity: {ids}; remove the wrong one by hand"
            yield Obstacle(address=str(address), text=text)
