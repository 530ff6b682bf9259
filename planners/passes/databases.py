"""Databases: made when declared, dropped when no longer so; others' are left alone."""

from __future__ import annotations

from guest_agent.contract.report import Database as Present
from planners.case import Answer, Case, Draft
from planners.plan import Change, Impact, Note, Verb
from planners.steps import CreateDatabase, DropDatabase
from specs.models.instance import Database


def databases(case: Case, present: list[Present], lost: list[str]) -> Answer:
    """Drafts for the databases of one server that has the *present* ones."""
    by_name = {each.name: each for each in present}
    wished = {each.name: each for each in case.wanted.spec.databases}
    for name, database in wished.items():
        if name not in by_name:
            gone = f"database {name}" in lost
            yield _create(case, database, Verb.REPAIR if gone else Verb.CREATE, [])
            continue
        changes = _changes(database, by_name[name])
        if changes or not by_name[name].managed:
            yield _create(case, database, Verb.UPDATE, changes)
    for name, there in by_name.items():
        if name in wished:
            continue
        if there.managed:
            step = DropDatabase(instance=case.id, name=name)
            reason = "no longer declared; its data goes with it"
            yield Draft(f"database {name}", Verb.DELETE, step, reason, Impact.DATA_LOSS)
        else:
            text = f"database {name} is not managed by gitrove; left alone"
            yield Note(address=str(case.address), text=text)


def _create(case: Case, database: Database, verb: Verb, changes: list[Change]) -> Draft:
    step = CreateDatabase(
        instance=case.id,
        name=database.name,
        character_set=database.character_set or "",
        collation=database.collation or "",
    )
    reasons = {
        Verb.CREATE: "declared and does not exist",
        Verb.REPAIR: "somebody dropped it; it comes back empty",
        Verb.UPDATE: "declared otherwise" if changes else "exists already; gitrove takes it over",
    }
    return Draft(f"database {database.name}", verb, step, reasons[verb], changes=changes)


def _changes(wished: Database, there: Present) -> list[Change]:
    fields = (
        ("characterSet", wished.character_set, there.character_set),
        ("collation", wished.collation, there.collation),
    )
    return [
        Change(field=name, before=has, after=wants)
        for name, wants, has in fields
        if wants and has and wants.lower() != has.lower()
    ]
