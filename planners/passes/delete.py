"""Remove an instance that is no longer declared: the server first, then what it used."""

from __future__ import annotations

from collections.abc import Collection

from guest_agent.contract import report as words
from guest_agent.contract.report import Report
from planners import observed as seen
from planners.case import Answer, Draft, Found
from planners.observed import StoredBackup
from planners.passes.backups import Target, final
from planners.passes.create import volume_item
from planners.plan import Impact, Obstacle, Verb
from planners.steps import DeleteGroup, DeletePort, DeleteServer, DeleteVolume, ReleaseFloating
from specs.desired import Address


def delete(
    address: Address,
    found: Found,
    report: Report | None,
    stored: Collection[StoredBackup],
    reason: str,
    verb: Verb = Verb.DELETE,
) -> Answer:
    """Drafts that leave nothing of *found*, unless one of its servers is protected.

    Where a server is marked for it, a final backup comes first, or an obstacle
    where none can be taken.
    """
    if any(server.metadata.get(seen.PROTECTED) for server in found.servers):
        yield Obstacle(
            address=str(address),
            text="it is protected; set lifecycle.preventDestroy to false and apply that first",
        )
        return
    if any(server.metadata.get(seen.FINAL_BACKUP) for server in found.servers):
        if report is None or report.status != words.RUNNING:
            yield Obstacle(
                address=str(address),
                text=(
                    "its final backup cannot be taken while its server does not run; repair it, "
                    "or set lifecycle.onDelete: delete and apply that first"
                ),
            )
            return
        yield final(Target(address, found.id, report.datastore), stored, reason)
    for server in found.servers:
        step = DeleteServer(instance=found.id, server=server.id)
        yield Draft("server", verb, step, reason, Impact.DOWNTIME)
    for volume in found.volumes:
        gone = DeleteVolume(instance=found.id, volume=volume.id)
        item, text = volume_item(volume.kind), f"{reason}; its data goes with it"
        if volume.kind == seen.ROOT:
            yield Draft(item, verb, gone, reason)
        else:
            yield Draft(item, verb, gone, text, Impact.DATA_LOSS)
    for floating in found.floating:
        released = ReleaseFloating(instance=found.id, floating=floating.id)
        yield Draft(f"floating address {floating.address}", verb, released, reason)
    for port in found.ports:
        yield Draft("port", verb, DeletePort(instance=found.id, port=port.id), reason)
    for group in found.groups:
        ungrouped = DeleteGroup(instance=found.id, group=group.id)
        yield Draft("security group", verb, ungrouped, reason)
