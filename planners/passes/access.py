"""Who reaches an instance over the network, and where: security group and addresses."""

from __future__ import annotations

from planners.case import Answer, Case, Draft
from planners.observed import FloatingAddress, Group
from planners.plan import Change, Note, Obstacle, Verb
from planners.steps import AllowAccess, AssignFloating, DeleteGroup, ReleaseFloating


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
        region=case.region,
        database=case.offer.definition.port,
        cidrs=cidrs,
    )
    before = ", ".join(group.cidrs) if group else None
    change = Change(field="allowedCidrs", before=before, after=", ".join(cidrs) or "nobody")
    verb = Verb.UPDATE if group else Verb.CREATE
    yield Draft("security group", verb, step, "declared", changes=[change])


def floating_address(case: Case) -> Answer:
    """Drafts for the floating address; an obstacle where its network is not to be had."""
    wished, found = case.wanted.spec.access.floating_network, case.found.floating
    fits = [each for each in found if _leads(each, case)]
    for each in found:
        if each not in fits[:1]:
            release = ReleaseFloating(instance=case.id, floating=each.id)
            change = Change(field="floatingNetwork", before=each.network)
            text = "declared otherwise" if wished else "no longer declared"
            yield Draft(
                f"floating address {each.address}", Verb.DELETE, release, text, changes=[change]
            )
    if wished is None or fits:
        return
    networks = case.catalogue.external_networks
    if wished not in networks:
        has = f"it has {', '.join(networks)}" if networks else "it has none"
        text = f'the cloud has no external network "{wished}"; {has}'
        yield Obstacle(address=str(case.address), text=text)
        return
    project, name = case.address
    step = AssignFloating(
        instance=case.id, project=project, name=name, region=case.region, network=wished
    )
    change = Change(field="floatingNetwork", after=wished)
    yield Draft("floating address", Verb.CREATE, step, "declared", changes=[change])


def _leads(floating: FloatingAddress, case: Case) -> bool:
    """Whether it leads to the instance, from the network that is wished for."""
    port = case.found.port
    wished = case.wanted.spec.access.floating_network
    return floating.network == wished and port is not None and floating.port == port.id


def _guards(group: Group, case: Case, cidrs: list[str]) -> bool:
    port = case.found.port
    guarded = port is None or group.port == port.id
    return guarded and group.cidrs == cidrs and group.database == case.offer.definition.port
