"""The key that seals messages to a guest is replaced when its declared rotation changes."""

from __future__ import annotations

from planners import observed as seen
from planners.case import Answer, Case, Draft
from planners.plan import Change, Verb
from planners.steps import RotateKey


def key_rotation(case: Case) -> Answer:
    """A draft for a new key, which the guest has to be told under its present one."""
    server, wished = case.found.server, str(case.wanted.spec.guest_key.rotation)
    if server is None or case.report is None:
        return
    present = server.metadata.get(seen.KEY_ROTATION, "1")
    if present != wished:
        step = RotateKey(instance=case.id, server=server.id, rotation=int(wished))
        change = Change(field="guestKey.rotation", before=present, after=wished)
        yield Draft("guest key", Verb.UPDATE, step, "declared otherwise", changes=[change])
