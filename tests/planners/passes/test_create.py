"""What is missing is made; a volume that is there is used again."""

from __future__ import annotations

from planners.case import Found
from planners.observed import Record
from planners.passes.create import infrastructure, prepare, start_server
from planners.plan import Verb
from planners.steps import CreateServer, CreateVolume, StartServer
from tests.support.cases import LIVED, case, found, only, report, spec, summary


def test_a_new_instance_gets_port_volume_and_server() -> None:
    wished = spec(volume={"size": 3, "type": "fast"}, availabilityZone="az2")
    port, volume, server = infrastructure(case(wished, record=Record()))
    assert summary(iter([port, volume, server])) == [
        "create port",
        "create volume",
        "create server",
    ]
    made = volume.step  # type: ignore[union-attr]
    assert isinstance(made, CreateVolume)
    assert (made.size, made.volume_type, made.zone, made.datastore) == (3, "fast", "az2", "mariadb")


def test_a_lost_server_is_made_again_around_its_volume() -> None:
    whole = found()
    draft = only(infrastructure(case(spec(), Found([], whole.volumes, whole.ports))))
    assert draft.verb is Verb.REPAIR
    assert isinstance(draft.step, CreateServer)
    assert "attached again" in draft.reason


def test_a_whole_instance_needs_nothing() -> None:
    assert summary(infrastructure(case(spec(), found()))) == []


def test_a_server_that_is_off_is_started() -> None:
    draft = only(start_server(case(spec(), found(server={"status": "SHUTOFF"}))))
    assert isinstance(draft.step, StartServer)
    assert summary(start_server(case(spec(), found()))) == []


def test_an_unprepared_guest_is_prepared_with_its_configuration_and_memory() -> None:
    new = report(prepared=False, status="new")
    draft = only(prepare(case(spec(), found(), new, LIVED, {"max_connections": 80})))
    assert draft.step.memory == 256  # type: ignore[union-attr]
    assert draft.step.configuration == {"max_connections": "80"}  # type: ignore[union-attr]


def test_the_fault_of_the_last_prepare_is_the_reason_of_the_next() -> None:
    failed = report(prepared=False, status="failed", fault="no space")
    assert "no space" in only(prepare(case(spec(), found(), failed))).reason


def test_data_that_was_prepared_is_never_prepared_again() -> None:
    assert summary(prepare(case(spec(), found(), report()))) == []
