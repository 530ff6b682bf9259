"""Users with their passwords and grants; others' users are left alone."""

from __future__ import annotations

from guest_agent.contract.report import User as Present
from planners.case import Answer, Case, Draft, secret_source
from planners.plan import Change, Note, Verb
from planners.steps import CreateUser, DropUser, RenameUser, SetGrants, SetPassword
from specs.models.instance import User

_SECRET = "(secret)"  # noqa: S105 - what is shown instead of one


def users(case: Case, present: list[Present], lost: list[str]) -> Answer:
    """Drafts for the users of one server that has the *present* ones."""
    anywhere = "%" if case.offer.definition.can("hosts") else ""
    there = {(each.name, each.host): each for each in present}
    renamed = set()
    for user in case.wanted.spec.users:
        host = user.host or anywhere
        now = there.get((user.name, host))
        former = there.get((user.former_name, host)) if user.former_name else None
        if now is not None:
            yield from _existing(case, user, now)
        elif former is not None and former.managed:
            renamed.add((former.name, former.host))
            yield from _rename(case, user, host, former)
        else:
            gone = f"user {user.name}@{host}" in lost
            verb = Verb.REPAIR if gone else Verb.CREATE
            reason = "somebody dropped it" if gone else "declared and does not exist"
            yield _create(case, user, host, verb, reason)
    wished = {(user.name, user.host or anywhere) for user in case.wanted.spec.users}
    for key, found in there.items():
        if key in wished or key in renamed:
            continue
        if found.managed:
            step = DropUser(instance=case.id, name=found.name, host=found.host)
            yield Draft(_item(found.name, found.host), Verb.DELETE, step, "no longer declared")
        else:
            text = f"{_item(found.name, found.host)} is not managed by gitrove; left alone"
            yield Note(address=str(case.address), text=text)


def grants_of(user: User) -> dict[str, list[str]]:
    """Database (or ``*``) to sorted privileges; ACL rules keep their order, which matters."""
    return {
        grant.database: grant.privileges
        if any(each[:1] in "~&%+-" for each in grant.privileges)
        else sorted(set(grant.privileges))
        for grant in user.grants
    }


def fingerprint(case: Case, user: User, host: str) -> str:
    """Raises SecretMissing."""
    login = f"{user.name}@{host}"
    return case.world.fingerprints.fingerprint(case.id, login, secret_source(user.password))


def _existing(case: Case, user: User, now: Present) -> Answer:
    if not now.managed:
        reason = "exists already; gitrove takes it over"
        yield _create(case, user, now.host, Verb.UPDATE, reason)
        return
    wished = fingerprint(case, user, now.host)
    if now.fingerprint != wished or now.password_drifted:
        step = SetPassword(
            instance=case.id,
            name=user.name,
            host=now.host,
            password=secret_source(user.password),
            fingerprint=wished,
        )
        drift = now.password_drifted and now.fingerprint == wished
        reason = "somebody changed it on the server" if drift else "declared otherwise"
        change = Change(field="password", before=_SECRET, after=_SECRET)
        verb = Verb.REPAIR if drift else Verb.UPDATE
        yield Draft(_item(user.name, now.host), verb, step, reason, changes=[change])
    grants = grants_of(user)
    if now.grants != grants:
        drift = now.grants_drifted
        reason = "somebody changed them on the server" if drift else "declared otherwise"
        changed = SetGrants(instance=case.id, name=user.name, host=now.host, grants=grants)
        verb = Verb.REPAIR if drift else Verb.UPDATE
        changes = grant_changes(now.grants, grants)
        yield Draft(_item(user.name, now.host), verb, changed, reason, changes=changes)


def _rename(case: Case, user: User, host: str, former: Present) -> Answer:
    step = RenameUser(
        instance=case.id,
        name=former.name,
        host=former.host,
        new_name=user.name,
        new_host=host,
        password=secret_source(user.password),
        fingerprint=fingerprint(case, user, host),
    )
    change = Change(field="name", before=former.name, after=user.name)
    item = _item(user.name, host)
    yield Draft(item, Verb.UPDATE, step, "formerName names this user", changes=[change])
    grants = grants_of(user)
    if former.grants != grants:
        changes = grant_changes(former.grants, grants)
        changed = SetGrants(instance=case.id, name=user.name, host=host, grants=grants)
        yield Draft(item, Verb.UPDATE, changed, "declared otherwise", changes=changes)


def _create(case: Case, user: User, host: str, verb: Verb, reason: str) -> Draft:
    grants = grants_of(user)
    step = CreateUser(
        instance=case.id,
        name=user.name,
        host=host,
        password=secret_source(user.password),
        fingerprint=fingerprint(case, user, host),
        grants=grants,
    )
    changes = grant_changes({}, grants)
    return Draft(_item(user.name, host), verb, step, reason, changes=changes)


def grant_changes(before: dict[str, list[str]], after: dict[str, list[str]]) -> list[Change]:
    return [
        Change(
            field=f"grant on {target}",
            before=", ".join(before[target]) if target in before else None,
            after=", ".join(after[target]) if target in after else None,
        )
        for target in sorted({*before, *after})
        if before.get(target) != after.get(target)
    ]


def _item(name: str, host: str) -> str:
    return f"user {name}@{host}" if host else f"user {name}"
