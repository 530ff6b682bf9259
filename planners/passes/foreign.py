"""What another repository made is never changed or deleted, whatever this one declares."""

from __future__ import annotations

from planners import observed as seen
from planners.case import Answer, Found
from planners.plan import Note, Obstacle
from specs.desired import Address


def owner(found: Found) -> str | None:
    """The repository that made the pieces (empty: one without a name), None if there are none."""
    for pieces in found:
        for piece in pieces:
            return str(piece.metadata.get(seen.REPOSITORY, ""))
    return None


def foreign(address: Address, found: Found, repository: str, declared: bool) -> Answer:
    """An obstacle where an instance of another repository is declared, a note elsewhere."""
    theirs = owner(found)
    if theirs is None or theirs == repository:
        return
    whose = f'the repository "{theirs}"' if theirs else "a repository without a name"
    if declared:
        text = (
            f"it exists already and belongs to {whose}; choose another name or project, or, "
            f'if this is that repository, set repository: "{theirs}" in gitrove.yaml'
        )
        yield Obstacle(address=str(address), text=text)
    else:
        yield Note(address=str(address), text=f"it belongs to {whose}; left alone")
