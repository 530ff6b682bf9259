"""Change the size of what exists: another flavor, a larger volume. And its server's marks."""

from __future__ import annotations

from planners import observed as seen
from planners.case import Answer, Case, Draft
from planners.plan import Change, Impact, Note, Obstacle, Verb
from planners.steps import ExtendVolume, Mark, ResizeServer


def resize(case: Case) -> Answer:
    """Drafts for the flavor and the volume; a smaller volume is only noted."""
    spec, server, volume = case.wanted.spec, case.found.server, case.found.volume
    address = str(case.address)
    if not case.memory and case.catalogue.flavors:
        choices = ", ".join(sorted(each.name for each in case.catalogue.flavors))
        yield Obstacle(
            address=address, text=f'the cloud has no flavor "{spec.flavor}"; it has {choices}'
        )
    types = case.catalogue.volume_types
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
    if server is not None and server.status == "VERIFY_RESIZE" and server.flavor == spec.flavor:
        waiting = ResizeServer(instance=case.id, server=server.id, flavor=spec.flavor)
        yield Draft("server", Verb.UPDATE, waiting, "a resize waits to be confirmed")
    if server is not None and server.flavor != spec.flavor:
        resized = ResizeServer(instance=case.id, server=server.id, flavor=spec.flavor)
        change = Change(field="flavor", before=server.flavor, after=spec.flavor)
        reason = "another flavor is declared"
        yield Draft("server", Verb.UPDATE, resized, reason, Impact.DOWNTIME, [change])


def marks(case: Case) -> Answer:
    """Drafts for the marks of the server that say what must not, or must, precede its end."""
    server, lifecycle = case.found.server, case.wanted.spec.lifecycle
    if server is None:
        return
    wished = (
        (seen.PROTECTED, "protection", "preventDestroy", lifecycle.prevent_destroy),
        (seen.FINAL_BACKUP, "final backup", "onDelete", lifecycle.on_delete == "finalBackup"),
    )
    for key, item, field, on in wished:
        if bool(server.metadata.get(key)) != on:
            step = Mark(instance=case.id, server=server.id, mark=key, on=on)
            words = _WORDS[field]
            change = Change(field=field, before=words[not on], after=words[on])
            yield Draft(item, Verb.UPDATE, step, "declared otherwise", changes=[change])


_WORDS = {"preventDestroy": ("false", "true"), "onDelete": ("delete", "finalBackup")}
