"""Drafts become a graph; a graph is checked before anyone may run it."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby

from planners.case import Draft
from planners.plan import Action


class InvalidPlan(Exception):
    """The planner made a graph that cannot run: a defect of gitrove, not of a spec."""


def chained(address: str, drafts: Iterable[Draft]) -> list[Action]:
    """The actions of one instance: each stage waits for all of the stage before it."""
    actions: list[Action] = []
    before: list[str] = []
    in_order = sorted(drafts, key=lambda draft: draft.step.STAGE)
    for _, stage in groupby(in_order, key=lambda draft: draft.step.STAGE):
        members = [
            Action(
                id=f"{address}:{draft.item}:{type(draft.step).__name__}",
                address=address,
                item=draft.item,
                verb=draft.verb,
                step=draft.step,
                reason=draft.reason,
                impact=draft.impact,
                changes=draft.changes,
                after=before,
            )
            for draft in stage
        ]
        actions += members
        before = [each.id for each in members]
    return actions


def validate(actions: Iterable[Action]) -> None:
    """Raises InvalidPlan for a repeated id, an unknown dependency or a cycle."""
    known: set[str] = set()
    for action in actions:
        if action.id in known:
            raise InvalidPlan(f"two actions have the id {action.id}")
        # Actions are listed after what they wait for, which also rules out every cycle.
        if missing := [each for each in action.after if each not in known]:
            raise InvalidPlan(f"{action.id} waits for {missing[0]}, which does not come before it")
        known.add(action.id)
