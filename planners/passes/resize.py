"""Change the size of what exists: another flavor, a larger volume. And its protection."""

from __future__ import annotations

from planners import observed as seen
from planners.case import Answer, Case, Draft
from planners.plan import Change, Impact, Note, Obstacle, Verb
from planners.steps import ExtendVolume, Protect, ResizeServer


def resize(case: Case) -> Answer:
    """Drafts for the flavor and the volume; a smaller volume is only noted."""
    spec, server, volume = case.wanted.spec, case.found.server, case.found.volume
    address = str(case.address)
    if not case.memory and case.world.flavors:
        choices = ", ".join(sorted(case.world.flavors))
        yield Obstacle(
            address=address, text=f'the cloud has no flavor "{spec.flavor}"; it has {choices}'
        )
    types = case.world.observed.cloud.volume_types
    if spec.volume.type and types and spec.volume.type not in types:
        yield Obstacle(
            address=address,
            text=f'the cloud has no volume type "{spec.volume.type}"; it has {", ".join(types)}',
        )
    if volume is not None and volume.size < spec.volume.size:
        step = ExtendVolume(instance=case.id, volume=volume.id, size=spec.volume.size)
        change = Change(field="size", before=f"{volume.size} GiB", after=f"{spec.volume.size} GiB")
        yield Draft("volume", Verb.UPDATE, step, "a larger volume is declared", changes=[change])
    if volume is not None and volume.size > spec.volume.size:
        text = (
            f"the volume has {volume.size} GiB, {spec.volume.size} are declared; it never shrinks"
        )
        yield Note(address=address, text=text)
    if server is not None and server.flavor != spec.flavor:
        resized = ResizeServer(instance=case.id, server=server.id, flavor=spec.flavor)
        change = Change(field="flavor", before=server.flavor, after=spec.flavor)
        reason = "another flavor is declared"
        yield Draft("server", Verb.UPDATE, resized, reason, Impact.DOWNTIME, [change])


def protection(case: Case) -> Answer:
    """A draft that sets or takes away the mark that keeps the server from being deleted."""
    server = case.found.server
    if server is None:
        return
    wished = case.wanted.spec.lifecycle.prevent_destroy
    if bool(server.metadata.get(seen.PROTECTED)) != wished:
        step = Protect(instance=case.id, server=server.id, on=wished)
        change = Change(field="preventDestroy", before=_word(not wished), after=_word(wished))
        yield Draft("protection", Verb.UPDATE, step, "declared otherwise", changes=[change])


def _word(value: bool) -> str:
    return "true" if value else "false"
