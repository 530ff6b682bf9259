"""Who reaches an instance over the network: its security group; and its fixed address."""

from __future__ import annotations

from planners.case import Answer, Case, Draft
from planners.observed import Group
from planners.plan import Change, Note, Obstacle, Verb
from planners.steps import AllowAccess, DeleteGroup


def access(case: Case) -> Answer:
    """Drafts for the security group; an obstacle where the address would have to change."""
    wished, port = case.wanted.spec.access, case.found.port
    address = str(case.address)
    if wished.address and port is not None and port.address != wished.address:
        text = f"its address is {port.address} and cannot become {wished.address}; restore a backup"
        yield Obstacle(address=address, text=f"{text} into a new instance that has it")
    if not case.world.observed.cloud.filters:
        if wished.allowed_cidrs is not None:
            yield Note(
                address=address, text="this cloud does not filter; allowedCidrs has no effect"
            )
        return
    group = case.found.group
    if wished.allowed_cidrs is None:
        if group is not None:
            gone = DeleteGroup(instance=case.id, group=group.id)
            change = Change(field="allowedCidrs", before=", ".join(group.cidrs))
            yield Draft("security group", Verb.DELETE, gone, "no longer declared", changes=[change])
        return
    cidrs = sorted(set(wished.allowed_cidrs))
    if group is not None and _guards(group, case, cidrs):
        return
    step = AllowAccess(
        instance=case.id,
        project=case.address.project,
        name=case.address.name,
        database=case.offer.definition.port,
        cidrs=cidrs,
    )
    before = ", ".join(group.cidrs) if group else None
    change = Change(field="allowedCidrs", before=before, after=", ".join(cidrs) or "nobody")
    verb = Verb.UPDATE if group else Verb.CREATE
    yield Draft("security group", verb, step, "declared", changes=[change])


def _guards(group: Group, case: Case, cidrs: list[str]) -> bool:
    port = case.found.port
    guarded = port is None or group.port == port.id
    return guarded and group.cidrs == cidrs and group.database == case.offer.definition.port
