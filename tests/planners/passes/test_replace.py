"""What cannot change in place is told apart from what can."""

from __future__ import annotations

from planners.case import Found
from planners.passes.replace import replacements
from tests.support.cases import case, found, spec


def test_nothing_to_replace() -> None:
    same = spec(volume={"size": 2, "type": "standard"}, availabilityZone="az1")
    assert replacements(case(same, found())) == []
    assert replacements(case(spec(flavor="small", volume={"size": 9}), found())) == []


def test_zone_volume_type_and_datastore_take_a_new_instance() -> None:
    other = spec(
        datastore={"name": "redis"},
        volume={"size": 2, "type": "fast"},
        availabilityZone="az2",
    )
    changes = replacements(case(other, found()))
    assert [(c.field, c.before, c.after) for c in changes] == [
        ("datastore.name", "mariadb", "redis"),
        ("availabilityZone", "az1", "az2"),
        ("volume.type", "standard", "fast"),
    ]


def test_a_volume_alone_still_knows_whose_data_it_holds() -> None:
    left = Found([], found().volumes, [])
    (change,) = replacements(case(spec(datastore={"name": "postgresql"}), left))
    assert change.field == "datastore.name"


def test_a_server_without_a_zone_yet_is_not_taken_for_one_elsewhere() -> None:
    building = found(server={"status": "BUILD", "zone": ""})
    assert replacements(case(spec(availabilityZone="az1"), building)) == []


def test_placement_is_for_ever() -> None:
    group = {"group": "pair", "policy": "affinity"}
    wanted = case(spec(placement=group), found(placement="pair affinity"))
    assert replacements(wanted) == []
    for wished, marks in ((spec(placement=group), {}), (spec(), {"placement": "pair affinity"})):
        (change,) = replacements(case(wished, found(**marks)))
        assert change.field == "placement"
