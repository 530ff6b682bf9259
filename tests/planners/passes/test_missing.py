"""Data that existed and cannot be found is an incident."""

from __future__ import annotations

from dataclasses import replace

from planners.case import Found
from planners.observed import ROOT, Record
from planners.passes.missing import incident
from specs.models.instance import Volume
from tests.support.cases import LIVED, case, found, spec, summary


def test_an_instance_that_lived_and_is_gone_is_not_made_anew() -> None:
    (obstacle,) = summary(incident(case(spec(), record=LIVED)))
    assert "incident: it existed, and everything of it is missing" in obstacle


def test_a_lost_volume_is_an_incident_although_the_server_is_there() -> None:
    whole = found()
    (obstacle,) = summary(incident(case(spec(), Found(whole.servers, [], whole.ports))))
    assert "its volume with its data is missing" in obstacle


def test_a_lost_root_disk_is_no_incident() -> None:
    whole = found()
    rootless = case(spec(), Found([], whole.volumes, whole.ports), record=LIVED)
    with_root = {**rootless.volumes, ROOT: Volume(size=5)}
    assert summary(incident(replace(rootless, volumes=with_root))) == []


def test_what_was_deleted_or_never_lived_may_be_made() -> None:
    assert summary(incident(case(spec(), record=Record(active=False, deleted=True)))) == []
    assert summary(incident(case(spec(), record=Record()))) == []
    assert summary(incident(case(spec(lifecycle={"createEmpty": True}), record=LIVED))) == []
