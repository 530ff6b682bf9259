"""Parameters change live where they can, wait for a restart where not, and drift is repaired."""

from __future__ import annotations

from typing import Any

from guest_agent.contract.report import Configuration, Report
from planners.case import Draft
from planners.passes.configuration import configuration
from planners.plan import Impact, Verb
from planners.steps import Configure, RestartDatabase, StartDatabase
from tests.support.cases import LIVED, case, found, only, report, spec, summary

LIVE = {"max_connections": 80}
NEEDS_RESTART = {"back_log": 90}


def told(**fields: Any) -> Report:
    return report(configuration=Configuration(**({"memory_mib": 256} | fields)))


def plan(wished: dict[str, Any], guest: Report, **fields: Any) -> list[Draft]:
    answer = configuration(case(spec(**fields), found(), guest, LIVED, wished))
    return [each for each in answer if isinstance(each, Draft)]


def test_as_declared() -> None:
    same = {"max_connections": "80"}
    assert plan(LIVE, told(file=same, in_effect=same)) == []


def test_a_live_parameter_takes_a_reload_only() -> None:
    (draft,) = plan(LIVE, told())
    assert isinstance(draft.step, Configure)
    assert draft.verb is Verb.UPDATE and draft.impact is Impact.RELOAD


def test_a_restart_parameter_restarts_the_server() -> None:
    configure, restart = plan(NEEDS_RESTART, told())
    assert isinstance(configure.step, Configure)
    assert isinstance(restart.step, RestartDatabase) and restart.impact is Impact.RESTART
    assert "back_log" in restart.reason


def test_a_manual_restart_policy_only_says_so() -> None:
    answer = configuration(
        case(spec(restartPolicy="manual"), found(), told(), LIVED, NEEDS_RESTART)
    )
    assert summary(answer) == [
        "update configuration",
        "note: waits for a restart (restartPolicy is manual): back_log",
    ]


def test_a_parameter_no_longer_declared_returns_to_its_default() -> None:
    there = {"max_connections": "80"}
    (draft,) = plan({}, told(file=there, in_effect=there))
    assert isinstance(draft.step, Configure)
    assert draft.step.configuration == {} and list(draft.step.defaults) == ["max_connections"]


def test_drift_in_the_file_in_effect_and_in_the_base_is_repaired() -> None:
    same = {"max_connections": "80"}
    in_file = told(file={"max_connections": "7"}, in_effect=same, file_drifted=True)
    in_effect = told(file=same, in_effect={"max_connections": "7"})
    base = told(file=same, in_effect=same, base_drifted=True)
    for guest in (in_file, in_effect, base):
        assert plan(LIVE, guest)[0].verb is Verb.REPAIR


def test_another_flavor_brings_other_memory() -> None:
    configure, restart = plan({}, told(memory_mib=512))
    assert [(c.before, c.after) for c in configure.changes] == [("512 MiB", "256 MiB")]
    assert isinstance(restart.step, RestartDatabase)


def test_a_server_that_does_not_run_is_started() -> None:
    stopped = report(status="stopped")
    draft = only(configuration(case(spec(), found(), stopped)))
    assert isinstance(draft.step, StartDatabase) and draft.verb is Verb.REPAIR
