"""A region that is not there, or has something else by a name, stops the plan."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgspec

from planners.case import NOTHING, Case, Found
from planners.observed import Catalogue, Flavor
from planners.passes.region import region
from planners.passes.replace import replacements
from tests.support.cases import CLOUD, case, found, spec, summary

IMAGE = "mariadb-10.11"


def a_case(wished: str | None, pieces: Found = NOTHING, **offered: Any) -> Case:
    made = case(spec(**({"region": wished} if wished else {})), pieces)
    same: dict[str, Any] = {"flavors": CLOUD.flavors, "images": {IMAGE: "one"}}
    cloud = msgspec.structs.replace(
        CLOUD,
        images={IMAGE: "one"},
        region="west",
        further_regions={"east": Catalogue(**(same | offered))},
    )
    observed = msgspec.structs.replace(made.world.observed, cloud=cloud)
    return replace(made, world=replace(made.world, observed=observed))


def test_the_first_has_two_names() -> None:
    for wished in (None, "west"):
        made = a_case(wished)
        assert made.region == "" and summary(region(made)) == []
    assert a_case("east").region == "east" and summary(region(a_case("east"))) == []


def test_what_is_not_there_is_told_with_what_is() -> None:
    (told,) = summary(region(a_case("north")))
    assert told == 'obstacle: gitrove.yaml has no region "north" for this cloud, but west, east'


def test_another_image_or_flavor_of_the_same_name_is_refused_for_what_is_new() -> None:
    (told,) = summary(region(a_case("east", images={IMAGE: "two"})))
    assert f'the image "{IMAGE}" in east is not the one of that name in west' in told
    (told,) = summary(region(a_case("east", flavors=[Flavor(name="tiny", ram=300)])))
    assert "1 vCPU, 300 MiB, 0 GiB against 1 vCPU, 256 MiB, 0 GiB" in told
    there = found({"region": "east"}, {"region": "east"})
    assert summary(region(a_case("east", there, images={IMAGE: "two"}))) == []


def test_what_exists_does_not_move() -> None:
    (change,) = replacements(a_case("east", found()))
    assert (change.field, change.before, change.after) == ("region", "west", "east")
    assert replacements(a_case("west", found())) == []
