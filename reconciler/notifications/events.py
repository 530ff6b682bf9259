"""Which notification an action makes, with the traits of mitaka-ceilometer-integration.

Each has ``dbaas.ACTION.start`` and then ``.end`` or ``.error``, told from each
other by ``request_id``. Beyond the traits of the spec every payload names the
resource, who acted, and the commit.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any, NamedTuple

from executors.engine import Entry, State
from planners.steps import DeleteBackup, Step, TakeBackup, TakeFinalBackup

START, END, ERROR = "start", "end", "error"
_PHASES = {State.STARTED: START, State.DONE: END, State.FAILED: ERROR}

Traits = dict[str, Any]


class Event(NamedTuple):
    """One notification: its type, what it is about, its traits."""

    type: str
    subject: str
    payload: Traits


def event_of(entry: Entry, run: str, actor: str, revision: str) -> Event | None:
    """The notification of one journal entry, or None where there is none for it."""
    step = entry.action.step
    action, traits = _TRAITS.get(type(step), ("", None))
    phase = _PHASES.get(entry.state)
    if traits is None or phase is None:
        return None
    project = entry.action.address.partition("/")[0]
    base = {
        "tenant_id": project,
        "client_ip": "",
        "server_ip": socket.gethostname(),
        "server_type": "gitrove",
        "request_id": f"{run}/{entry.action.id}",
        "resource": entry.action.address,
        "actor": actor,
        "revision": revision,
    }
    if phase == ERROR:
        base |= {"message": entry.message, "exception": entry.details}
    return Event(f"dbaas.{action}.{phase}", entry.action.address, base | traits(step, phase))


def _backup_create(step: TakeBackup, phase: str) -> Traits:
    if phase == START:
        return {
            "name": step.name,
            "instance_id": step.instance,
            "description": step.origin,
            "parent_id": step.parent,
        }
    return {"backup_id": step.backup} if phase == END else {}


def _backup_delete(step: DeleteBackup, phase: str) -> Traits:
    return {"backup_id": step.backup} if phase == START else {}


_TRAITS: dict[type[Step], tuple[str, Callable[[Any, str], Traits]]] = {
    TakeBackup: ("backup_create", _backup_create),
    TakeFinalBackup: ("backup_create", _backup_create),
    DeleteBackup: ("backup_delete", _backup_delete),
}
