"""What is missing is made; a volume that is there is used again."""

from __future__ import annotations

from dataclasses import replace

from planners.case import Draft, Found
from planners.observed import Observed, Record, StoredBackup
from planners.passes.create import infrastructure, prepare, start_server
from planners.plan import Obstacle, Verb
from planners.steps import CreateServer, CreateVolume, Prepare, StartServer
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


def stored(name: str, finished: float, **fields: str) -> StoredBackup:
    known = {"instance_name": "old", "instance": "i", "datastore": "mariadb", "version": "10.11.6"}
    return StoredBackup(id=name, name=name, project="shop", finished=finished, **(known | fields))


def restoring(*backups: StoredBackup, **source: str) -> list[str] | str:
    """The ids of what a new instance is made from, or the obstacle."""
    new = report(prepared=False, status="new")
    made = case(spec(restoreFrom=source), found(), new, Record())
    world = replace(made.world, observed=Observed(backups=list(backups)))
    draft = next(iter(prepare(replace(made, world=world))))
    if isinstance(draft, Obstacle):
        return draft.text
    assert isinstance(draft, Draft) and isinstance(draft.step, Prepare)
    return [each.id for each in draft.step.restore]


def test_a_new_instance_is_made_from_a_chain() -> None:
    full, inc = stored("full", 1.0), stored("inc", 2.0, parent="full")
    assert restoring(full, inc, backup="inc") == ["full", "inc"]
    assert restoring(full, inc, backup="full") == ["full"]
    assert restoring(full, inc, instance="old") == ["full", "inc"]


def test_the_newest_of_a_schedule_is_not_the_newest_of_all() -> None:
    nightly, manual = stored("nightly", 1.0, origin="schedule n"), stored("manual", 2.0)
    assert restoring(nightly, manual, instance="old", schedule="n") == ["nightly"]
    told = restoring(manual, instance="old", schedule="n")
    assert told == "restoreFrom: there is no complete backup of old by the schedule n"


def test_what_cannot_be_restored_is_an_obstacle() -> None:
    inc, broken = stored("inc", 2.0, parent="full"), stored("broken", 0.0)
    other = stored("other", 1.0, datastore="redis", version="7.0")
    newer = stored("newer", 1.0, version="11.4.2")
    told = [
        restoring(inc, backup="inc"),
        restoring(broken, backup="broken"),
        restoring(other, backup="other"),
        restoring(newer, backup="newer"),
        restoring(inc, backup="ink"),
        restoring(inc, instance="old", pointInTime="2026-11-23T12:00:00Z"),
    ]
    assert told == [
        "restoreFrom: it cannot be restored: inc follows a backup that is missing from the storage",
        "restoreFrom: it cannot be restored: broken is not complete",
        "restoreFrom: other is a backup of redis",
        "restoreFrom: newer is of mariadb 11.4.2, not 10.11",
        'restoreFrom: there is no backup "ink"; there is inc',
        "restoreFrom: the log of old was not archived at 2026-11-23 12:00:00 UTC",
    ]


def test_an_instance_that_lived_is_never_restored_over() -> None:
    new = report(prepared=False, status="new")
    draft = only(prepare(case(spec(restoreFrom={"backup": "gone"}), found(), new, LIVED)))
    assert isinstance(draft.step, Prepare) and draft.step.restore == []


def test_data_that_was_prepared_is_never_prepared_again() -> None:
    assert summary(prepare(case(spec(), found(), report()))) == []


def test_a_server_in_error_is_left_and_told() -> None:
    (text,) = summary(start_server(case(spec(), found(server={"status": "ERROR"}))))
    assert text.startswith("note: its server is in ERROR and left as it is")
