"""Change the size of what exists: another flavor, a larger volume. And its server's marks."""

from __future__ import annotations

from planners import observed as seen
from planners.case import Answer, Case, Draft
from planners.passes.create import volume_item
from planners.plan import Change, Impact, Note, Obstacle, Verb
from planners.steps import ExtendVolume, Mark, ResizeServer


def resize(case: Case) -> Answer:
    """Drafts for the flavor and the volumes; a smaller volume is only noted."""
    spec, server = case.wanted.spec, case.found.server
    address = str(case.address)
    if not case.memory and case.catalogue.flavors:
        choices = ", ".join(sorted(each.name for each in case.catalogue.flavors))
        yield Obstacle(
            address=address, text=f'the cloud has no flavor "{spec.flavor}"; it has {choices}'
        )
    for kind in case.volumes:
        yield from _volume(case, kind)
    if server is not None and server.status == "VERIFY_RESIZE" and server.flavor == spec.flavor:
        waiting = ResizeServer(instance=case.id, server=server.id, flavor=spec.flavor)
        yield Draft("server", Verb.UPDATE, waiting, "a resize waits to be confirmed")
    if server is not None and server.flavor != spec.flavor:
        resized = ResizeServer(instance=case.id, server=server.id, flavor=spec.flavor)
        change = Change(field="flavor", before=server.flavor, after=spec.flavor)
        reason = "another flavor is declared"
        yield Draft("server", Verb.UPDATE, resized, reason, Impact.DOWNTIME, [change])


def _volume(case: Case, kind: str) -> Answer:
    wished, there, address = case.volumes[kind], case.found.volume_of(kind), str(case.address)
    types = case.catalogue.volume_types
    if wished.type and types and wished.type not in types:
        text = f'the cloud has no volume type "{wished.type}"; it has {", ".join(types)}'
        yield Obstacle(address=address, text=text)
    if there is not None and there.size < wished.size:
        step = ExtendVolume(instance=case.id, volume=there.id, size=wished.size)
        change = Change(field="size", before=f"{there.size} GiB", after=f"{wished.size} GiB")
        item, reason = volume_item(kind), "a larger volume is declared"
        yield Draft(item, Verb.UPDATE, step, reason, changes=[change])
    if there is not None and there.size > wished.size:
        text = f"the {volume_item(kind)} has {there.size} GiB, {wished.size} are declared"
        yield Note(address=address, text=f"{text}; it never shrinks")


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
