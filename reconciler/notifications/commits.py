"""What a commit does to configuration groups, which are documents and take no action."""

from __future__ import annotations

from collections.abc import Iterator

from reconciler.notifications.events import END, START, Event, Traits, base
from specs.desired import Address, Desired
from specs.models import ConfigurationGroup


def changes(before: Desired, after: Desired, actor: str) -> Iterator[Event]:
    """``dbaas.configuration_*`` for what is new, other, or gone; none is ever an error.

    Other values alone are an edit, anything else an update: the PATCH and the PUT of the spec.
    """
    for address in sorted({*before.groups, *after.groups}):
        old, new = before.groups.get(address), after.groups.get(address)
        if old is None and new is not None:
            traits = _created(address, new)
            yield from _both("create", address, after, actor, traits)
        elif new is None:
            traits = {"configuration_id": str(address)}
            yield from _both("delete", address, after, actor, traits)
        elif old is not None and _but_values(old) == _but_values(new) and old != new:
            yield from _both("edit", address, after, actor, {"configuration_id": str(address)})
        elif old is not None and old != new:
            traits = {"configuration_id": str(address), "name": address.name, "description": ""}
            yield from _both("update", address, after, actor, traits)


def _but_values(group: ConfigurationGroup) -> ConfigurationGroup:
    return group.model_copy(update={"spec": group.spec.model_copy(update={"values": {}})})


def _created(address: Address, group: ConfigurationGroup) -> Traits:
    datastore = group.spec.datastore
    return {
        "name": address.name,
        "datastore": datastore.name,
        "datastore_version": datastore.version or "",
    }


def _both(
    verb: str, address: Address, after: Desired, actor: str, traits: Traits
) -> Iterator[Event]:
    request = f"{after.revision}/{address}"
    told = base(str(address), request, actor, after.revision)
    name = f"dbaas.configuration_{verb}"
    ended = {"configuration_id": str(address)} if verb == "create" else {}
    yield Event(f"{name}.{START}", str(address), told | traits)
    yield Event(f"{name}.{END}", str(address), told | ended)
