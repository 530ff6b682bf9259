"""Remove an instance that is no longer declared: the server first, then what it used."""

from __future__ import annotations

from planners import observed as seen
from planners.case import Answer, Draft, Found
from planners.plan import Impact, Obstacle, Verb
from planners.steps import DeletePort, DeleteServer, DeleteVolume
from specs.desired import Address


def delete(address: Address, found: Found, reason: str, verb: Verb = Verb.DELETE) -> Answer:
    """Drafts that leave nothing of *found*, unless one of its servers is protected."""
    if any(server.metadata.get(seen.PROTECTED) for server in found.servers):
        yield Obstacle(
            address=str(address),
            text="it is protected; set lifecycle.preventDestroy to false and apply that first",
        )
        return
    for server in found.servers:
        step = DeleteServer(instance=found.id, server=server.id)
        yield Draft("server", verb, step, reason, Impact.DOWNTIME)
    for volume in found.volumes:
        gone = DeleteVolume(instance=found.id, volume=volume.id)
        yield Draft("volume", verb, gone, f"{reason}; its data goes with it", Impact.DATA_LOSS)
    for port in found.ports:
        yield Draft("port", verb, DeletePort(instance=found.id, port=port.id), reason)
