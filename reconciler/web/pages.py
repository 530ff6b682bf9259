"""What the pages show, as values for their templates. Nothing here changes anything."""

from __future__ import annotations

import time
from collections import Counter
from itertools import groupby
from typing import Any

from planners.case import NOTHING
from planners.observed import StoredBackup
from planners.planning import reports_by_address
from reconciler.fleet import details
from reconciler.journal.resources import Resource, Resources
from reconciler.loop.controller import View
from reconciler.loop.daemon import Daemon
from reconciler.rendering import words
from reconciler.yaml_text import written_yaml
from specs.desired import Address
from specs.models import Instance

Shown = dict[str, Any]

_EVENTS = 30
_ROWS = 200
_WAITING = "waiting"


def fleet(daemon: Daemon, query: str, page: int) -> Shown:
    """A page (from 1) of the resources whose address, health or reason has *query*, ill ones first.

    And the sources.
    """
    resources = Resources(daemon.journal)
    every = list(resources.read().values())
    text = query.lower()
    chosen = [r for r in every if text in f"{r.address} {r.health} {r.reason}".lower()]
    chosen.sort(key=lambda r: (r.health == "Healthy", r.address))
    last = max(1, -(-len(chosen) // _ROWS))
    page = min(max(page, 1), last)
    return {
        "resources": chosen[(page - 1) * _ROWS : page * _ROWS],
        "page": page,
        "pages": last,
        "found": len(chosen),
        "counts": sorted(Counter(str(r.health) for r in every).items()),
        "sources": resources.sources(),
        "query": query,
        "controllers": daemon.living,
    }


def resource(daemon: Daemon, address: Address) -> Shown | None:
    """One resource: declared, observed, what differs, events, faults, backups."""
    record = Resources(daemon.journal).read().get(str(address))
    view = next((v for v in _views(daemon) if _has(v, address)), None)
    if record is None and view is None:
        return None
    journal = daemon.journal
    shown: Shown = {
        "address": str(address),
        "record": record or Resource("", str(address)),
        "events": journal.entries(str(address), _EVENTS),
        "faults": journal.faults(str(address)),
        "declared": "",
        "observed": {},
        "actions": [],
        "notes": [],
        "backups": [],
    }
    return shown | (_seen(view, address) if view else {})


def _views(daemon: Daemon) -> list[View]:
    return [f.controller.view for f in daemon.followers if f.controller.view is not None]


def _has(view: View, address: Address) -> bool:
    return address in view.workspace.desired.instances or any(
        action.address == str(address) for action in view.plan.actions
    )


def _seen(view: View, address: Address) -> Shown:
    instance = view.workspace.desired.instances.get(address)
    pieces = {a: found for a, found, _ in reports_by_address(view.observed)}
    found = pieces.get(address, NOTHING)
    told = details(address, found, view.observed, [], admin=False)
    for shown_above in ("instance", "health", "reason", "faults"):
        told.pop(shown_above, None)
    declared = _dumped(instance) if instance else ""
    plan = view.plan
    mine = [b for b in view.observed.backups if (b.project, b.instance_name) == address]
    return {
        "declared": declared,
        "observed": told,
        "actions": [action for action in plan.actions if action.address == str(address)],
        "notes": [o.text for o in plan.obstacles if o.address == str(address)]
        + [n.text for n in plan.notes if n.address == str(address)],
        "backups": timeline(mine, time.time()),
    }


def _dumped(instance: Instance) -> str:
    """It names where secrets are, and has none."""
    return written_yaml(instance.model_dump(mode="json", by_alias=True, exclude_unset=True))


def timeline(backups: list[StoredBackup], now: float) -> list[Shown]:
    """Complete backups from old to new; ``at`` is where each stands, from 0 to 100."""
    whole = sorted((b for b in backups if b.complete), key=lambda b: b.finished)
    if not whole:
        return []
    first = whole[0].finished
    span = max(now - first, 1.0)
    return [{"backup": b, "at": round(100 * (b.finished - first) / span, 2)} for b in whole]


def run(daemon: Daemon, identifier: str) -> Shown | None:
    """A run and its plan: each instance's actions in order, with the state of each."""
    journal = daemon.journal
    row = next((r for r in journal.runs(10_000) if r["id"] == identifier), None)
    if row is None:
        return None
    states: dict[tuple[str, str, str], Shown] = {}
    for entry in journal.run_entries(identifier):
        states[entry["address"], entry["item"], entry["step"]] = entry
    plan = journal.plan(row["plan"])
    rows = []
    for address, actions in groupby(plan.actions if plan else [], key=lambda a: a.address):
        stages: dict[tuple[str, ...], list[Shown]] = {}
        for action in actions:
            entry = states.get((action.address, action.item, type(action.step).__name__), {})
            told = {
                "text": words(action),
                "state": entry.get("state", _WAITING),
                "message": entry.get("message", ""),
                "impact": str(action.impact),
            }
            stages.setdefault(tuple(action.after), []).append(told)
        rows.append({"address": address, "stages": list(stages.values())})
    return {"run": row, "rows": rows, "live": row["ended"] is None}


def ago(seconds: float) -> str:
    """``5 min``: how long, in the largest unit that fits."""
    for unit, length in (("d", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= length:
            return f"{seconds / length:.0f} {unit}"
    return f"{max(seconds, 0):.0f} s"
