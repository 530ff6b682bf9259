"""Which actions of a plan wait, and for what; and the plan without them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping

import msgspec

from planners.plan import Action, Impact, Note, Plan, Summary, Verb
from planners.steps import StartDatabase, StartServer
from reconciler.loop.rules import Rules
from reconciler.moments import utc
from specs.desired import Address

QUIET = (Impact.NONE, Impact.RELOAD)
"""What nobody who uses the database notices."""


def held(
    actions: Iterable[Action],
    rules: Callable[[Address], Rules],
    settled: Callable[[str], bool],
    wanted: Collection[str] = (),
) -> dict[str, str]:
    """Why each action that must not run now waits, by its id.

    *settled* tells of an address whether it was applied once as it is declared
    now; *wanted* has the addresses that a person asked to sync, whatever their mode.
    """
    found: dict[str, str] = {}
    for action in actions:
        address = Address.parse(action.address)
        if why := _why(action, rules(address), settled, action.address in wanted):
            found[action.id] = why
    return found


def _why(action: Action, rules: Rules, settled: Callable[[str], bool], wanted: bool) -> str:
    if rules.suspended:
        return rules.suspended
    repairs = action.verb is Verb.REPAIR
    if rules.frozen and not repairs:
        return rules.frozen
    if rules.mode in ("observe", "plan") and not wanted:
        return f"the mode is {rules.mode}; gitrove sync applies it"
    if rules.mode == "heal" and not wanted and not (repairs or settled(action.address)):
        return "the mode is heal, and this is a new commit; gitrove sync applies it"
    if rules.opens and action.impact not in QUIET:
        return f"it costs {action.impact}, and waits for the window at {utc(rules.opens)}"
    return ""


def brings_back(action: Action) -> bool:
    """Whether it starts what has stopped, as it is: it needs nothing that comes before it."""
    return action.verb is Verb.REPAIR and isinstance(action.step, StartServer | StartDatabase)


def without(plan: Plan, gone: Collection[str]) -> Plan:
    """*plan* without the actions *gone*, and without those that wait for them.

    What brings back waits for none of them: a database that has stopped does not
    stay so because a change of it has to wait.
    """
    left: list[Action] = []
    missing: dict[str, list[str]] = {}
    for action in plan.actions:
        absent = missing.keys() & action.after
        if action.id in gone or (absent and not brings_back(action)):
            missing[action.id] = action.after
        elif absent:
            left.append(msgspec.structs.replace(action, after=_present(action.after, missing)))
        else:
            left.append(action)
    return _of(plan, left)


def _present(after: Iterable[str], missing: Mapping[str, list[str]]) -> list[str]:
    """What is left of *after*, with what the missing ones waited for in their place."""
    found: dict[str, None] = {}
    for each in after:
        found |= dict.fromkeys(_present(missing[each], missing) if each in missing else [each])
    return list(found)


def by_address(actions: Iterable[Action]) -> dict[str, list[Action]]:
    """The actions of each instance, in their order."""
    found: dict[str, list[Action]] = {}
    for action in actions:
        found.setdefault(action.address, []).append(action)
    return found


def by_project(plan: Plan, addresses: Collection[str]) -> dict[str, Plan]:
    """What *plan* has for *addresses*, project by project; see ``part``."""
    own: dict[str, dict[str, list[Action]]] = {}
    for address, actions in by_address(plan.actions).items():
        if address in addresses:
            own.setdefault(Address.parse(address).project, {})[address] = actions
    notes: dict[str, list[Note]] = {}
    for note in plan.notes:
        notes.setdefault(note.address, []).append(note)
    return {
        project: part(
            msgspec.structs.replace(
                plan,
                actions=[action for actions in members.values() for action in actions],
                basis={address: plan.basis[address] for address in members},
                notes=[note for address in members for note in notes.get(address, ())],
            ),
            members,
        )
        for project, members in own.items()
    }


def part(plan: Plan, addresses: Collection[str]) -> Plan:
    """What *plan* has for *addresses*, with a digest that nothing else changes."""
    actions = [each for each in plan.actions if each.address in addresses]
    projects = {Address.parse(each).project for each in addresses}
    summary = plan.summary
    own = Summary(
        managed=_only(summary.managed, projects),
        destroyed=[each for each in summary.destroyed if each in addresses],
        instances=_only(summary.instances, projects),
        volumes=_only(summary.volumes, projects),
        backups=_only(summary.backups, projects),
    )
    notes = [each for each in plan.notes if each.address in addresses]
    return _of(msgspec.structs.replace(plan, summary=own, notes=notes, obstacles=[]), actions)


def _of(plan: Plan, actions: list[Action]) -> Plan:
    touched = {each.address for each in actions}
    basis = {address: digest for address, digest in plan.basis.items() if address in touched}
    destroyed = [each for each in plan.summary.destroyed if each in touched]
    summary = msgspec.structs.replace(plan.summary, destroyed=destroyed)
    return msgspec.structs.replace(plan, actions=actions, basis=basis, summary=summary)


def _only(totals: dict[str, int], projects: Collection[str]) -> dict[str, int]:
    return {project: total for project, total in totals.items() if project in projects}
