"""Only a declared version, from one that it upgrades, on an instance that runs."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgspec
import pytest

from guest_agent.contract import report as words
from planners.case import Answer, Case
from planners.passes.upgrade import upgrade, waits_for_upgrade
from planners.steps import UpgradeServer
from tests.support.cases import CLOUD, case, found, only, report, spec, summary

IMAGES = ["mariadb-10.11", "mariadb-10.5", "mariadb-10.11-patched"]
NO_BACKUP = "note: there is no backup of it to return to, should the upgrade disappoint"


def a_case(
    version: str | None, has: str, image: str, told: Any = None, images: list[str] | None = None
) -> Case:
    wished = spec(datastore={"name": "mariadb"} | ({"version": version} if version else {}))
    made = case(wished, found({"image": image}, version=has), told or report())
    names = IMAGES if images is None else images
    cloud = msgspec.structs.replace(CLOUD, images=dict.fromkeys(names, "digest"))
    observed = msgspec.structs.replace(made.world.observed, cloud=cloud)
    return replace(made, world=replace(made.world, observed=observed))


def drafted(answer: Answer) -> UpgradeServer:
    step = only(each for each in answer if hasattr(each, "step")).step
    assert isinstance(step, UpgradeServer)
    return step


def test_what_is_of_the_declared_version_stays() -> None:
    assert summary(upgrade(a_case("10.11", "10.11", "mariadb-10.11"))) == []


def test_a_new_default_upgrades_nothing_that_exists() -> None:
    assert summary(upgrade(a_case(None, "10.5", "mariadb-10.5"))) == []


def test_a_declared_version_does() -> None:
    wanted = a_case("10.11", "10.5", "mariadb-10.5")
    assert summary(upgrade(wanted)) == [NO_BACKUP, "update server"]
    step = drafted(upgrade(wanted))
    assert (step.image, step.version, step.memory) == ("mariadb-10.11", "10.11", 256)


def test_another_image_of_the_same_version_is_taken_when_the_present_one_is_known() -> None:
    wanted = a_case(None, "10.11", "mariadb-10.11-patched")
    assert drafted(upgrade(wanted)).image == "mariadb-10.11"
    # One that an operator removed from the cloud says nothing.
    assert summary(upgrade(a_case(None, "10.11", "5f2c"))) == []


def test_there_is_no_way_back() -> None:
    (told,) = summary(upgrade(a_case("10.5", "10.11", "mariadb-10.11")))
    assert "mariadb 10.11 cannot become 10.5, which upgrades from nothing" in told


def test_without_its_image_nothing_is_stopped() -> None:
    (told,) = summary(upgrade(a_case("10.11", "10.5", "x", images=["mariadb-10.5"])))
    assert told == 'obstacle: the cloud has no image "mariadb-10.11" for mariadb 10.11'


@pytest.mark.parametrize("status", [words.STOPPED, words.PREPARING])
def test_a_server_that_does_not_run_is_not_taken_away(status: str) -> None:
    wanted = a_case("10.11", "10.5", "mariadb-10.5", report(status=status))
    (told,) = summary(upgrade(wanted))
    assert told == "note: it is upgraded to 10.11 when its database server runs"


def test_an_interrupted_one_is_ended_whatever_the_server_is_marked_with() -> None:
    told = report(status=words.STOPPED, upgrades_from="10.5")
    for has in ("10.5", "10.11"):
        wanted = a_case("10.11", has, "mariadb-10.11", told)
        assert drafted(upgrade(wanted)).version == "10.11"
        assert waits_for_upgrade(wanted)


def test_a_rebuilt_one_returns_to_the_version_of_its_data() -> None:
    told = report(status=words.STOPPED, upgrades_from="10.5")
    step = drafted(upgrade(a_case("10.5", "10.5", "mariadb-10.11", told)))
    assert (step.image, step.version) == ("mariadb-10.5", "10.5")
