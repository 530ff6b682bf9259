"""What who counts is told of: what came to be, changed and ended, what there is, what commits say.

Of several controllers each tells of its own projects.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from planners.observed import Observed
from reconciler.fleet import usage
from reconciler.journal.resources import Resource
from reconciler.notifications import billing, commits
from reconciler.notifications.events import Event
from specs.desired import Address, Desired

Mine = Callable[[str], bool]
"""Whether a project is this controller's."""


def changed(
    before: Resource | None, after: Resource | None, now: float, actor: str
) -> Iterator[Event]:
    """When *before* became *after*, of which at least one is there."""
    present = after or before
    assert present is not None
    old, new = (each.facts if each else {} for each in (before, after))
    address, state = Address.parse(present.address), str(present.health)
    return billing.changes(address, old, new, state, now, actor)


def declared(before: Desired, after: Desired, actor: str, mine: Mine) -> Iterator[Event]:
    """What a new commit says of what takes no action."""
    for event in commits.changes(before, after, actor):
        if mine(Address.parse(event.subject).project):
            yield event


def inventory(
    resources: Mapping[str, Resource],
    desired: Desired,
    observed: Observed,
    mine: Mine,
    since: float,
    now: float,
) -> Iterator[Event]:
    """What there was from *since* to *now*, in seconds since the epoch, and how full quotas are."""
    for resource in resources.values():
        address = Address.parse(resource.address)
        if resource.facts and mine(address.project):
            yield billing.exists(address, resource.facts, str(resource.health), since, now)
    for project, used in usage(observed).items():
        if mine(project):
            yield from billing.quota(project, desired.quotas.get(project), used, now)
