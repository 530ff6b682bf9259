"""An instance that lived and is gone, or whose data is gone, is an incident, not a wish.

Never recreated silently (crossplane provider-aws#1725): a person says whether
an empty one may take its place.
"""

from __future__ import annotations

from planners.case import Answer, Case
from planners.plan import Obstacle


def incident(case: Case) -> Answer:
    """An obstacle where data that existed cannot be found."""
    if case.record.deleted or not case.record.active or case.wanted.spec.lifecycle.create_empty:
        return
    if case.found.volume is None:
        what = "its volume, with the data," if case.found.anything else "everything of it"
        yield Obstacle(
            address=str(case.address),
            text=(
                f"incident: it existed, and {what} is missing from the cloud. Find out why; then "
                "restore the volume, remove the instance from Git, or set "
                "lifecycle.createEmpty: true to make it anew without its data"
            ),
        )
