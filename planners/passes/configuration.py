"""Make the server's parameters and memory what is declared, live where that is possible."""

from __future__ import annotations

from guest_agent.contract import report as words
from planners.case import Answer, Case, Draft
from planners.plan import Change, Impact, Note, Verb
from planners.steps import Configure, RestartDatabase, StartDatabase
from specs.definitions import Definition
from specs.parameters import BadValue


def configuration(case: Case) -> Answer:
    """Drafts to write the configuration, and to start or restart where that is what it takes."""
    report = case.report
    if report is None or not report.prepared:
        return
    differences = list(_differences(case))
    running = report.status == words.RUNNING
    restart = set(report.configuration.restart_required)
    if differences:
        restart |= {each.field for each in differences if _needs_restart(case, each.field)}
        yield _configure(case, differences, restart)
    if not running:
        step = StartDatabase(instance=case.id)
        yield Draft("database server", Verb.REPAIR, step, "it is not running")
    elif restart and case.wanted.spec.restart_policy == "automatic":
        names = ", ".join(sorted(restart))
        reason = f"takes effect only at a restart: {names}"
        restarted = RestartDatabase(instance=case.id)
        yield Draft("database server", Verb.UPDATE, restarted, reason, Impact.RESTART)
    elif restart:
        names = ", ".join(sorted(restart))
        text = f"waits for a restart (restartPolicy is manual): {names}"
        yield Note(address=str(case.address), text=text)


def _configure(case: Case, differences: list[Change], restart: set[str]) -> Draft:
    report = case.report
    assert report is not None
    definition = case.offer.definition
    wished = dict(sorted(case.configuration.items()))
    gone = sorted(set(report.configuration.file) - set(wished))
    known = definition.parameters
    defaults = {name: known[name].default for name in gone if name in known}
    step = Configure(
        instance=case.id,
        memory=case.memory,
        configuration=wished,
        defaults=defaults,
        group=case.wanted.spec.configuration or "",
    )
    live = any(each.field not in restart for each in differences)
    impact = Impact.RELOAD if live and report.status == words.RUNNING else Impact.NONE
    drifted = report.configuration.file_drifted or report.configuration.base_drifted
    verb = Verb.REPAIR if drifted or _only_in_effect(case, differences) else Verb.UPDATE
    reason = "somebody changed it on the server" if verb is Verb.REPAIR else "declared otherwise"
    return Draft("configuration", verb, step, reason, impact, differences)


def _differences(case: Case) -> list[Change]:
    report = case.report
    assert report is not None
    present, definition, wished = report.configuration, case.offer.definition, case.configuration
    if present.file == wished and present.in_effect == wished:
        changes = []
    else:
        changes = [
            Change(field=name, before=present.file.get(name), after=wished.get(name))
            for name in sorted({*present.file, *wished})
            if present.file.get(name) != wished.get(name)
        ]
        changes += [
            Change(field=name, before=value, after=wished[name])
            for name, value in sorted(present.in_effect.items())
            if name in wished
            and present.file.get(name) == wished[name]
            and name not in present.restart_required
            and _canonical(definition, name, value) != wished[name]
        ]
    if case.memory and present.memory_mib != case.memory:
        before, after = f"{present.memory_mib} MiB", f"{case.memory} MiB"
        changes.append(Change(field="memory", before=before, after=after))
    if present.base_drifted:
        changes.append(Change(field="base file", before="edited by hand", after="as rendered"))
    return changes


def _needs_restart(case: Case, name: str) -> bool:
    if name in ("memory", "base file"):
        return True
    parameter = case.offer.definition.parameters.get(name)
    report = case.report
    if parameter is None or parameter.apply != "restart" or report is None:
        return False
    wished = case.configuration.get(name, parameter.default)
    effective = report.configuration.in_effect.get(name)
    return effective is None or _canonical(case.offer.definition, name, effective) != wished


def _only_in_effect(case: Case, differences: list[Change]) -> bool:
    report = case.report
    assert report is not None
    same_file = report.configuration.file == case.configuration
    return same_file and any(each.field != "memory" for each in differences)


def _canonical(definition: Definition, name: str, value: str) -> str:
    try:
        return definition.canonical(name, value)
    except BadValue:
        return value
