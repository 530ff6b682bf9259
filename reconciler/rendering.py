"""A plan as people read it: grouped by instance, symbols, differences, impacts, one summary."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby

from rich.markup import escape

from planners.plan import Action, Change, Impact, Plan, Verb
from policy.verdict import DENY, Verdict

_SYMBOLS = {
    Verb.CREATE: ("+", "green"),
    Verb.UPDATE: ("~", "yellow"),
    Verb.REPLACE: ("±", "magenta"),
    Verb.REPAIR: ("!", "cyan"),
    Verb.DELETE: ("-", "red"),
}
_ORDER = list(Impact)
_PHRASES = {
    "Configure": "write the {}",
    "Mark": "change the {}",
    "SetPassword": "set the password of {}",
    "SetGrants": "set the grants of {}",
}


def plan_lines(plan: Plan, verdict: Verdict | None = None) -> Iterator[str]:
    """The plan as lines of rich markup."""
    for _, group in groupby(plan.actions, key=lambda action: action.address):
        actions = list(group)
        yield instance_line(actions)
        for action in actions:
            yield from action_lines(action)
        yield ""
    for note in plan.notes:
        yield f"[dim]i {escape(note.address)}: {escape(note.text)}[/]"
    for obstacle in plan.obstacles:
        yield f"[red]✗ {escape(obstacle.address)}:[/] {escape(obstacle.text)}"
    for finding in verdict.findings if verdict else ():
        colour, word = ("red", "denied") if finding.effect == DENY else ("yellow", "warning")
        yield f"[{colour}]✗ {word}[/] {escape(finding.text)} [dim]({escape(finding.rule)})[/]"
    if plan.notes or plan.obstacles or (verdict and verdict.findings):
        yield ""
    yield summary_line(plan)


def summary_line(plan: Plan) -> str:
    """``Plan: 2 to create, … on 3 instances. Impact: restart.``"""
    if not plan.actions and not plan.obstacles:
        unchanged = plan.summary.unchanged
        are = "instance is" if unchanged == 1 else "instances are"
        return f"[green]No changes.[/] {unchanged} {are} as declared."
    counts = [(verb, sum(a.verb is verb for a in plan.actions)) for verb in Verb]
    parts = [f"[{_SYMBOLS[verb][1]}]{count} to {verb}[/]" for verb, count in counts if count]
    instances = len({action.address for action in plan.actions})
    plural = "" if instances == 1 else "s"
    text = f"[bold]Plan:[/] {', '.join(parts) or 'nothing'} on {instances} instance{plural}."
    worst = max((a.impact for a in plan.actions), key=_ORDER.index, default=Impact.NONE)
    return f"{text} Greatest impact: {_impact(worst)}."


def action_line(action: Action) -> str:
    """One action on one line, without its differences."""
    symbol, colour = _SYMBOLS[action.verb]
    what = escape(words(action))
    impact = f"  {_impact(action.impact)}" if action.impact is not Impact.NONE else ""
    return f"[{colour}]{symbol}[/] {what}{impact}"


def words(action: Action) -> str:
    """The action as words: ``create volume``, ``set the password of user app``."""
    name = type(action.step).__name__
    pattern = _PHRASES.get(name, f"{_first_word(name)} {{}}")
    return pattern.format(action.item)


def _first_word(name: str) -> str:
    return "".join(f" {c.lower()}" if c.isupper() else c for c in name).split()[0]


def instance_line(actions: list[Action]) -> str:
    """What happens to the instance as a whole that all of *actions* are of."""
    symbol, colour = _SYMBOLS[_overall(actions)]
    return f"[{colour}]{symbol}[/] [bold]{escape(actions[0].address)}[/]"


def action_lines(action: Action) -> Iterator[str]:
    """One action with its reason and its differences."""
    yield f"    {action_line(action)}  [dim]{escape(action.reason)}[/]"
    for change in action.changes:
        yield f"        {escape(_change(change))}"


def _change(change: Change) -> str:
    if change.before is None:
        return f"{change.field}: {change.after}"
    after = "(unset)" if change.after is None else change.after
    return f"{change.field}: {change.before} → {after}"


def _overall(actions: list[Action]) -> Verb:
    verbs = {action.verb for action in actions}
    if Verb.REPLACE in verbs:
        return Verb.REPLACE
    servers = {action.verb for action in actions if action.item == "server"}
    for verb in (Verb.DELETE, Verb.CREATE):
        if verb in servers:
            return verb
    return Verb.REPAIR if verbs == {Verb.REPAIR} else Verb.UPDATE


def _impact(impact: Impact) -> str:
    colours = {Impact.NONE: "dim", Impact.RELOAD: "cyan", Impact.RESTART: "yellow"}
    return f"[{colours.get(impact, 'bold red')}]{impact}[/]"
