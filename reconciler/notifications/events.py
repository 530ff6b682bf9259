"""Which notification an action makes, with the traits of mitaka-ceilometer-integration.

Each has ``dbaas.ACTION.start`` and then ``.end`` or ``.error``, told from each
other by ``request_id``. Beyond the traits of the spec every payload names the
resource, who acted, and the commit.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from executors.engine import Entry, State
from planners import steps
from planners.plan import Action, Plan, Verb
from planners.steps import Step

START, END, ERROR = "start", "end", "error"
_PHASES = {State.STARTED: START, State.DONE: END, State.FAILED: ERROR}

Traits = dict[str, Any]


class Event(NamedTuple):
    """One notification: its type, what it is about, its traits."""

    type: str
    subject: str
    payload: Traits


@dataclass
class Narrator:
    """Tells of the entries of one run. An instance's life begins and ends with several actions."""

    plan: Plan
    run: str
    actor: str
    _leaving: dict[str, set[str]] = field(default_factory=dict)
    """What is still to be torn down, by address, as action ids."""

    def __post_init__(self) -> None:
        for action in self.plan.actions:
            if isinstance(action.step, _TEARING):
                self._leaving.setdefault(action.address, set()).add(action.id)
        servers = {a.address for a in self.plan.actions if isinstance(a.step, steps.DeleteServer)}
        self._leaving = {at: ids for at, ids in self._leaving.items() if at in servers}

    def tell(self, entries: Sequence[Entry]) -> Iterator[Event]:
        """The notifications of what happened, in order."""
        for entry in entries:
            phase = _PHASES.get(entry.state)
            if phase is None:
                continue
            yield from self._of_life(entry, phase)
            action, traits = _TRAITS.get(type(entry.action.step), ("", None))
            if traits is not None:
                name = action(entry.action.step) if callable(action) else action
                request = f"{self.run}/{entry.action.id}"
                yield self._event(entry, name, phase, request, traits(entry.action.step, phase))

    def _of_life(self, entry: Entry, phase: str) -> Iterator[Event]:
        step, instance = entry.action.step, entry.action.step.instance
        born = isinstance(step, steps.CreateServer) and entry.action.verb in _NEW
        if born and phase == START:
            traits = self._creation(entry.action)
            yield self._event(entry, "instance_create", START, f"create/{instance}", traits)
        elif (born and phase == ERROR) or (isinstance(step, steps.Prepare) and phase != START):
            traits = {"instance_id": instance}
            yield self._event(entry, "instance_create", phase, f"create/{instance}", traits)
        left = self._leaving.get(entry.action.address)
        if left is None or not isinstance(step, _TEARING):
            return
        request = f"delete/{instance}"
        if phase == START and isinstance(step, steps.DeleteServer):
            traits = {"instance_id": instance}
            yield self._event(entry, "instance_delete", START, request, traits)
        elif phase == ERROR:
            yield self._event(entry, "instance_delete", ERROR, request, {})
        elif phase == END:
            left.discard(entry.action.id)
            if not left:
                yield self._event(entry, "instance_delete", END, request, {})

    def _creation(self, action: Action) -> Traits:
        step = action.step
        assert isinstance(step, steps.CreateServer)
        own = [each.step for each in self.plan.actions if each.address == action.address]
        prepare = next((each for each in own if isinstance(each, steps.Prepare)), None)
        return {
            "name": step.name,
            "flavor": step.flavor,
            "datastore": step.datastore,
            "datastore_version": step.version,
            "databases": ",".join(s.name for s in own if isinstance(s, steps.CreateDatabase)),
            "users": ",".join(s.name for s in own if isinstance(s, steps.CreateUser)),
            "volume_size": sum(s.size for s in own if isinstance(s, steps.CreateVolume)),
            "restore_point": ",".join(r.id for r in prepare.restore) if prepare else "",
            "availability_zone": step.zone,
            "replica_of": "",
            "replica_count": 0,
        }

    def _event(self, entry: Entry, action: str, phase: str, request: str, traits: Traits) -> Event:
        address = entry.action.address
        told = base(address, request, self.actor, self.plan.revision) | traits
        if phase == ERROR:
            told |= {"message": entry.message, "exception": entry.details}
        return Event(f"dbaas.{action}.{phase}", address, told)


def base(address: str, request: str, actor: str, revision: str) -> Traits:
    """What every notification has."""
    return {
        "tenant_id": address.partition("/")[0],
        "client_ip": "",
        "server_ip": socket.gethostname(),
        "server_type": "gitrove",
        "request_id": request,
        "resource": address,
        "actor": actor,
        "revision": revision,
    }


_NEW = (Verb.CREATE, Verb.REPLACE)
_TEARING = (
    steps.DeleteServer,
    steps.DeleteVolume,
    steps.DeletePort,
    steps.DeleteGroup,
    steps.ReleaseFloating,
)


def _at_start(**traits: Callable[[Any], Any]) -> Callable[[Any, str], Traits]:
    """Traits of the start alone, each by a function of the step; the instance is one of them."""

    def told(step: Step, phase: str) -> Traits:
        if phase != START:
            return {}
        return {"instance_id": step.instance} | {name: of(step) for name, of in traits.items()}

    return told


def _backup_create(step: steps.TakeBackup, phase: str) -> Traits:
    if phase == START:
        return {
            "name": step.name,
            "instance_id": step.instance,
            "description": step.origin,
            "parent_id": step.parent,
        }
    return {"backup_id": step.backup} if phase == END else {}


def _backup_delete(step: steps.DeleteBackup, phase: str) -> Traits:
    return {"backup_id": step.backup} if phase == START else {}


def _name(step: Any) -> Any:
    return step.name


def _databases(step: steps.SetGrants) -> str:
    return ",".join(step.grants)


_Named = str | Callable[[Any], str]
_TRAITS: dict[type[Step], tuple[_Named, Callable[[Any, str], Traits]]] = {
    steps.RestartDatabase: ("instance_restart", _at_start()),
    steps.ExtendVolume: ("instance_resize_volume", _at_start(new_size=lambda s: s.size)),
    steps.ResizeServer: ("instance_resize_instance", _at_start(new_flavor_id=lambda s: s.flavor)),
    steps.Configure: (
        lambda s: "instance_attach_configuration" if s.group else "instance_detach_configuration",
        _at_start(configuration_id=lambda s: s.group),
    ),
    steps.TakeBackup: ("backup_create", _backup_create),
    steps.TakeFinalBackup: ("backup_create", _backup_create),
    steps.DeleteBackup: ("backup_delete", _backup_delete),
    steps.CreateDatabase: ("database_create", _at_start(dbname=_name)),
    steps.DropDatabase: ("database_delete", _at_start(dbname=_name)),
    steps.CreateUser: ("user_create", _at_start(username=_name)),
    steps.DropUser: ("user_delete", _at_start(username=_name)),
    steps.RenameUser: ("user_update_attributes", _at_start(username=_name)),
    steps.SetPassword: ("user_change_password", _at_start(username=_name)),
    steps.SetGrants: (
        lambda s: "user_grant" if s.grants else "user_revoke",
        _at_start(username=_name, database=_databases),
    ),
}
