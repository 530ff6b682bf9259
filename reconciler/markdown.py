"""A plan as a comment on a pull request: what changes, what it costs, what policy says.

Forges cut long comments or refuse them (GitHub takes 65,536 characters), so the
picture goes first when there is too much, then the details of the last instances.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import groupby
from types import MappingProxyType

import msgspec
from rich.markup import render

from planners.plan import Action, Plan
from policy.verdict import DENY, Verdict
from reconciler.graphs import mermaid
from reconciler.rendering import action_lines, instance_line, summary_line
from specs.models import Quota

MARK = "<!-- gitrove plan -->"
"""The first line, by which a comment is found again to be replaced."""
MOST_CHARACTERS = 60_000
_RESERVED = 1_000


def comment(
    whole: Plan,
    verdict: Verdict,
    base: Plan | None = None,
    limit: int = MOST_CHARACTERS,
    quotas: Mapping[str, Quota] = MappingProxyType({}),
) -> str:
    """The comment on the *whole* plan, of at most *limit* characters.

    What *base* plans as well, without the change that is commented on, is only counted.
    *quotas* are the limits by project; those of projects that change are shown.
    """
    plan = _of_this_change(whole, base) if base else whole
    head = _head(plan, verdict, len(whole.actions) - len(plan.actions)) + _quotas(plan, quotas)
    tail = f"\n<sub>Revision `{plan.revision or '-'}`, plan `{whole.digest[:12]}`.</sub>\n"
    details, left = _details(plan, limit - len(head) - len(tail) - _RESERVED)
    if left:
        details += f"\n… and {left} more instance{'' if left == 1 else 's'}: run `gitrove plan`.\n"
    picture = _folded("What waits for what", f"```mermaid\n{mermaid(plan)}```")
    text = head + details + (picture if plan.actions else "") + tail
    return text if len(text) <= limit else head + details + tail


def _of_this_change(plan: Plan, base: Plan) -> Plan:
    """*plan* without what *base* plans as well."""
    known = {action.id: action.step for action in base.actions}
    own = [action for action in plan.actions if known.get(action.id) != action.step]
    ids = {action.id for action in own}
    kept = [
        msgspec.structs.replace(action, after=[each for each in action.after if each in ids])
        for action in own
    ]
    return msgspec.structs.replace(plan, actions=kept)


def _head(plan: Plan, verdict: Verdict, others: int) -> str:
    told = [f"- :no_entry: **{_text(o.address)}**: {_text(o.text)}" for o in plan.obstacles]
    for finding in verdict.findings:
        sign = ":no_entry: denied" if finding.effect == DENY else ":warning:"
        told.append(f"- {sign} {_text(finding.text)} (`{finding.rule}`)")
    told += [f"- :information_source: **{_text(n.address)}**: {_text(n.text)}" for n in plan.notes]
    if others:
        plural = "" if others == 1 else "s"
        told.append(f"- {others} more action{plural} would be done without this change, too.")
    may = "**may be applied**" if verdict.allowed and not plan.obstacles else "**refused**"
    title = f"### {_plain(summary_line(plan))}"
    paragraphs = [f"{MARK}\n{title}", "\n".join(told), f"Policy and plan: {may}."]
    return "\n\n".join(filter(None, paragraphs)) + "\n\n"


def _quotas(plan: Plan, quotas: Mapping[str, Quota]) -> str:
    """What projects with a quota would use of it, as a table."""
    rows = []
    for project in sorted({action.address.partition("/")[0] for action in plan.actions}):
        if project not in quotas:
            continue
        limits, summary = quotas[project].spec, plan.summary
        cells = [
            f"{used.get(project, 0)} of {limit}" if limit is not None else str(used.get(project, 0))
            for used, limit in (
                (summary.instances, limits.instances),
                (summary.volumes, limits.volumes),
                (summary.backups, limits.backups),
            )
        ]
        rows.append(f"| {_text(project)} | {' | '.join(cells)} |")
    if not rows:
        return ""
    head = ["| Quota | Instances | Volumes, GiB | Backups |", "|---|---|---|---|"]
    return "\n".join([*head, *rows]) + "\n\n"


def _details(plan: Plan, room: int) -> tuple[str, int]:
    """The instances one after the other as far as there is room, and how many are left."""
    groups = [list(group) for _, group in groupby(plan.actions, key=lambda a: a.address)]
    text = ""
    for number, actions in enumerate(groups):
        piece = _instance(actions)
        if len(text) + len(piece) > room:
            return text, len(groups) - number
        text += piece
    return text, 0


def _instance(actions: list[Action]) -> str:
    lines = [_plain(line).removeprefix("    ") for a in actions for line in action_lines(a)]
    # A fence that is longer than any inside cannot be ended from inside.
    longest = max((len(each) for each in re.findall("`+", "\n".join(lines))), default=0)
    fence = "`" * max(3, longest + 1)
    return _folded(_html(_plain(instance_line(actions))), "\n".join([fence, *lines, fence]))


def _folded(summary: str, body: str) -> str:
    return f"<details><summary>{summary}</summary>\n\n{body}\n\n</details>\n"


def _plain(markup: str) -> str:
    return render(markup).plain


def _text(text: str) -> str:
    """Text in which a forge finds nothing to format, to link or to notify."""
    return re.sub(r"([\\`*_\[\]<>#|@~])", r"\\\1", text)


def _html(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
