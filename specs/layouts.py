"""Which volumes an instance has: its own one, or those of a VolumeLayout."""

from __future__ import annotations

from collections.abc import Iterator

from specs.definitions import Definition
from specs.desired import Address, Desired
from specs.models import Instance
from specs.models.instance import Volume
from specs.problems import suggestion

DATA = "data"
ROOT = "root"
"""What a server of any datastore may boot from; the guest mounts the others."""
Path = tuple[str | int, ...]


def volumes_of(
    instance: Instance, address: Address, definition: Definition, desired: Desired
) -> dict[str, Volume]:
    """The volumes by kind, in the order in which they are mounted; none where a layout is missing.

    What is mounted first is what the datastore's definition names first.
    """
    spec = instance.spec
    if spec.volume is not None:
        return {DATA: spec.volume}
    layout = desired.layouts.get(Address(address.project, spec.volume_layout or ""))
    by_kind = {each.kind: each for each in layout.spec.volumes} if layout else {}
    return {kind: by_kind[kind] for kind in kinds(definition) if kind in by_kind}


def kinds(definition: Definition) -> list[str]:
    """The kinds of volumes that an instance of the datastore can have."""
    return [*definition.volume_kinds, ROOT]


def check(
    instance: Instance, address: Address, definition: Definition, desired: Desired
) -> Iterator[tuple[Path, str]]:
    """What does not fit: no such layout, or kinds that the datastore does not have."""
    name = instance.spec.volume_layout
    if name is None:
        return
    layout = desired.layouts.get(Address(address.project, name))
    if layout is None:
        known = [each.name for each in desired.layouts if each.project == address.project]
        text = f'no VolumeLayout "{name}" in {address.project}{suggestion(name, known)}'
        yield ("spec", "volumeLayout"), text
        return
    has = ", ".join(kinds(definition))
    for kind in [v.kind for v in layout.spec.volumes if v.kind not in kinds(definition)]:
        text = f'{definition.title} has no volume of the kind "{kind}" ({name}); it has {has}'
        yield ("spec", "volumeLayout"), text
