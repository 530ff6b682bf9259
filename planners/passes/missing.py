"""An instance that lived and is gone, or whose data is gone, is an incident, not a wish.

Never recreated silently (crossplane provider-aws#1725): a person says whether
an empty one may take its place.
"""

from __future__ import annotations

from planners import observed as seen
from planners.case import Answer, Case
from planners.plan import Obstacle


def incident(case: Case) -> Answer:
    """An obstacle where data that existed cannot be found."""
    if case.record.deleted or not case.record.active or case.wanted.spec.lifecycle.create_empty:
        return
    # A kind that was never there is another layout, which cannot come in place.
    held = [kind for kind in case.volumes if kind == seen.DATA or case.found.server is None]
    gone = [kind for kind in held if kind != seen.ROOT and case.found.volume_of(kind) is None]
    if gone:
        volumes = f"its volume with its {' and '.join(gone)}"
        what = volumes if case.found.anything else "everything of it"
        yield Obstacle(
            address=str(case.address),
            text=(
                f"incident: it existed, and {what} is missing from the cloud. Find out why; then "
                "restore the volume, remove the instance from Git, or set "
                "lifecycle.createEmpty: true to make it anew without its data"
            ),
        )
