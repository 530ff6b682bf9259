"""An instance in another region than the first gets what it would get there (ocata-multi-region).

Images and flavors are the regions' own: one of the same name can be another.
"""

from __future__ import annotations

from planners.case import Answer, Case
from planners.observed import Flavor
from planners.plan import Obstacle


def region(case: Case) -> Answer:
    """Obstacles where the region does not exist, or has something else by the same name."""
    cloud, wished = case.world.observed.cloud, case.region
    address = str(case.address)
    if not wished:
        return
    if wished not in cloud.further_regions:
        known = ", ".join(filter(None, [cloud.region, *cloud.further_regions])) or "no names"
        text = f'gitrove.yaml has no region "{wished}" for this cloud, but {known}'
        yield Obstacle(address=address, text=text)
        return
    if case.found.server is not None:
        return
    first = cloud.region or "the first region"
    here, there = case.catalogue.images, cloud.images
    image = case.offer.image
    if image in here and image in there and here[image] != there[image]:
        text = f'the image "{image}" in {wished} is not the one of that name in {first}'
        yield Obstacle(address=address, text=f"{text}: its content or properties differ")
    flavor, same = (_flavor(flavors, case) for flavors in (case.catalogue.flavors, cloud.flavors))
    if flavor is not None and same is not None and flavor != same:
        text = f'the flavor "{flavor.name}" in {wished} is not the one of that name in {first}'
        yield Obstacle(address=address, text=f"{text}: {_size(flavor)} against {_size(same)}")


def _flavor(flavors: list[Flavor], case: Case) -> Flavor | None:
    return next((f for f in flavors if f.name == case.wanted.spec.flavor), None)


def _size(flavor: Flavor) -> str:
    return f"{flavor.vcpus} vCPU, {flavor.ram} MiB, {flavor.disk} GiB"
