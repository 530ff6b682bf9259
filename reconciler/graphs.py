"""A plan's graph as Mermaid or DOT text."""

from __future__ import annotations

from planners.plan import Plan
from reconciler.rendering import words


def mermaid(plan: Plan) -> str:
    names = {action.id: f"a{number}" for number, action in enumerate(plan.actions)}
    lines = ["flowchart TD"]
    for action in plan.actions:
        label = f"{action.address}<br/>{words(action)}".replace('"', "#quot;")
        lines.append(f'    {names[action.id]}["{label}"]')
    for action in plan.actions:
        lines += [f"    {names[needed]} --> {names[action.id]}" for needed in action.after]
    return "\n".join(lines) + "\n"


def dot(plan: Plan) -> str:
    def quoted(text: str) -> str:
        return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'

    lines = ["digraph plan {", "    node [shape=box];"]
    for action in plan.actions:
        label = f"{action.address}\n{words(action)}".replace("\n", "\\n")
        lines.append(f"    {quoted(action.id)} [label={quoted(label)}];".replace("\\\\n", "\\n"))
    for action in plan.actions:
        lines += [f"    {quoted(needed)} -> {quoted(action.id)};" for needed in action.after]
    return "\n".join([*lines, "}", ""])
