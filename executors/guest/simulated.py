"""Guests of the simulated cloud: the same methods, on values in memory."""

from __future__ import annotations

import base64
import io
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import msgspec

from executors.cloud.interface import Endpoint
from executors.errors import Failed, Passing
from guest_agent.contract.backup import COMPLETED, MANIFEST, Backup, decode, encode
from guest_agent.contract.report import (
    NEW,
    RUNNING,
    STOPPED,
    Archive,
    Configuration,
    Database,
    Report,
    Root,
    User,
)
from guest_agent.toolkit.sealed_stream import fetch, store
from guest_agent.toolkit.storage import open_storage
from specs.definitions import Definition

if TYPE_CHECKING:
    from executors.cloud.simulated import SimulatedCloud


class SimulatedUser(msgspec.Struct):
    """A login: ``password`` as the server has it, ``set_password`` as gitrove set it."""

    managed: bool
    fingerprint: str = ""
    password: str = ""
    set_password: str = ""
    grants: dict[str, list[str]] = {}
    set_grants: dict[str, list[str]] = {}


class GuestState(msgspec.Struct):
    """What one volume and its server hold."""

    datastore: str
    prepared: bool = False
    running: bool = False
    memory: int = 0
    file: dict[str, str] = {}
    written: dict[str, str] = {}
    in_effect: dict[str, str] = {}
    pending: list[str] = []
    databases: dict[str, bool] = {}
    """Name to whether it is managed."""
    lost: list[str] = []
    users: dict[str, SimulatedUser] = {}
    """By ``name@host``."""
    root: str = ""
    """The fingerprint root was enabled with; empty: it is off."""
    root_ever: bool = False
    archived: bool = False
    rows: dict[str, int] = {}
    """Rows by database, for tests that look for lost ones."""


class SimulatedGuests:
    """The guests; see ``executors.guest.interface``."""

    def __init__(self, cloud: SimulatedCloud, definitions: Mapping[str, Definition]) -> None:
        self._cloud = cloud
        self._definitions = definitions

    def observe(self, endpoints: Iterable[Endpoint]) -> dict[str, Report | None]:
        return {each.instance: self._report(each.instance) for each in endpoints}

    def call(self, endpoint: Endpoint, method: str, **params: Any) -> Any:
        guest = self._cloud.guest(endpoint.instance)
        if guest is None:
            raise Passing(f"the guest of {endpoint.instance} does not answer")
        if method in ("ping", "rotate_key"):
            return "pong"
        with self._cloud.guest_verb(method):
            needs_server = method not in (
                "prepare", "start", "configure", "pre_upgrade", "post_upgrade"
            )  # fmt: skip
            if needs_server and not guest.running:
                raise Passing("the server does not answer yet")
            return _METHODS[method](self, guest, **params)

    def _report(self, instance: str) -> Report | None:
        guest = self._cloud.guest(instance)
        if guest is None:
            return None
        status = NEW if not guest.prepared else RUNNING if guest.running else STOPPED
        configuration = Configuration(
            file=dict(guest.file),
            in_effect={k: v for k, v in guest.in_effect.items() if k in guest.file},
            restart_required=list(guest.pending),
            file_drifted=guest.file != guest.written,
            memory_mib=guest.memory,
        )
        report = Report(instance, guest.datastore, "1", status, guest.prepared)
        if status != RUNNING:
            return replace(report, configuration=configuration)
        return replace(
            report,
            configuration=configuration,
            databases=[Database(name, managed) for name, managed in guest.databases.items()],
            users=[_user(key, user) for key, user in guest.users.items()],
            lost=list(guest.lost),
            archive=Archive(guest.archived),
            root=Root(bool(guest.root), guest.root_ever, guest.root),
        )

    def prepare(
        self,
        guest: GuestState,
        memory_mib: int,
        configuration: dict[str, str],
        restore: dict[str, Any] | None = None,
    ) -> None:
        if restore and not guest.prepared:
            self._restore(guest, restore)
        guest.memory = memory_mib
        guest.file, guest.written = dict(configuration), dict(configuration)
        guest.in_effect = dict(configuration)
        guest.pending = []
        guest.prepared = guest.running = True

    def _restore(self, guest: GuestState, restore: dict[str, Any]) -> None:
        """The whole is in the last backup of a chain, incremental or not."""
        last = restore["chain"][-1]
        sink = io.BytesIO()
        storage = open_storage(restore["storage"])
        segments = decode(storage.get(last["manifest"])).segments
        fetch(segments, storage, base64.urlsafe_b64decode(last["key"]), sink)
        guest.rows = msgspec.json.decode(sink.getvalue(), type=dict[str, int])
        guest.databases = dict.fromkeys(guest.rows, False)

    def begin_backup(
        self,
        guest: GuestState,
        backup: dict[str, Any],
        after: dict[str, str],
        key: str,
        storage: dict[str, Any],
    ) -> None:
        store_in = open_storage(storage)
        wanted = Backup(**backup)
        rows = io.BytesIO(msgspec.json.encode(guest.rows))
        segments, raw, stored = store(rows, store_in, wanted.folder, base64.urlsafe_b64decode(key))
        version = next(reversed(self._definitions[guest.datastore].versions))
        now = time.time()
        done = replace(
            wanted,
            version=version,
            began=now,
            finished=now,
            segments=segments,
            raw_bytes=raw,
            stored_bytes=stored,
            position={"lsn": "1"},
        )
        store_in.put(f"{wanted.index}/{MANIFEST}", encode(done))

    def enable_archive(
        self, guest: GuestState, archive: dict[str, Any], key: str, storage: dict[str, Any]
    ) -> None:
        guest.archived = True

    def disable_archive(self, guest: GuestState) -> None:
        guest.archived = False

    def backup_progress(self, guest: GuestState, identifier: str) -> dict[str, Any]:
        return {"state": COMPLETED, "fault": "", "details": "", "raw_bytes": 0}

    def cancel_backup(self, guest: GuestState, identifier: str) -> None:
        """A simulated backup is complete as soon as it has begun."""

    def pre_upgrade(self, guest: GuestState) -> None:
        guest.running = False

    def post_upgrade(
        self, guest: GuestState, memory_mib: int, configuration: dict[str, str]
    ) -> None:
        self.prepare(guest, memory_mib, configuration)

    def start(self, guest: GuestState) -> None:
        if not guest.running:
            self.restart(guest)

    def restart(self, guest: GuestState) -> None:
        guest.running, guest.pending, guest.in_effect = True, [], dict(guest.file)

    def configure(
        self,
        guest: GuestState,
        memory_mib: int,
        configuration: dict[str, str],
        defaults: dict[str, str],
    ) -> None:
        parameters = self._definitions[guest.datastore].parameters
        changed = {n for n, v in configuration.items() if guest.in_effect.get(n) != v}
        waiting = {n for n in changed | set(defaults) if parameters[n].apply == "restart"}
        for name in (changed | set(defaults)) - waiting:
            guest.in_effect[name] = configuration.get(name, defaults.get(name, ""))
        if guest.memory != memory_mib:
            waiting.add("memory")
        guest.pending = sorted(waiting.union(guest.pending))
        guest.memory = memory_mib
        guest.file, guest.written = dict(configuration), dict(configuration)

    def create_database(
        self, guest: GuestState, name: str, character_set: str, collation: str
    ) -> None:
        guest.databases[name] = True
        guest.rows.setdefault(name, 0)
        guest.lost = [each for each in guest.lost if each != f"database {name}"]

    def drop_database(self, guest: GuestState, name: str) -> None:
        guest.databases.pop(name, None)
        guest.rows.pop(name, None)

    def create_user(
        self,
        guest: GuestState,
        name: str,
        host: str,
        password: str,
        fingerprint: str,
        grants: dict[str, list[str]],
    ) -> None:
        user = SimulatedUser(True, fingerprint, password, password, dict(grants), dict(grants))
        guest.users[f"{name}@{host}"] = user
        guest.lost = [each for each in guest.lost if each != f"user {name}@{host}"]

    def set_password(
        self, guest: GuestState, name: str, host: str, password: str, fingerprint: str
    ) -> None:
        user = _existing(guest, name, host)
        user.password = user.set_password = password
        user.fingerprint = fingerprint

    def set_grants(
        self, guest: GuestState, name: str, host: str, grants: dict[str, list[str]]
    ) -> None:
        user = _existing(guest, name, host)
        user.grants, user.set_grants = dict(grants), dict(grants)

    def rename_user(
        self,
        guest: GuestState,
        name: str,
        host: str,
        new_name: str,
        new_host: str,
        password: str,
        fingerprint: str,
    ) -> None:
        if f"{name}@{host}" in guest.users:
            guest.users[f"{new_name}@{new_host}"] = guest.users.pop(f"{name}@{host}")
        self.set_password(guest, new_name, new_host, password, fingerprint)

    def drop_user(self, guest: GuestState, name: str, host: str) -> None:
        guest.users.pop(f"{name}@{host}", None)

    def enable_root(self, guest: GuestState, password: str, fingerprint: str) -> None:
        guest.root, guest.root_ever = fingerprint, True

    def disable_root(self, guest: GuestState) -> None:
        guest.root = ""


_METHODS: dict[str, Callable[..., Any]] = {
    name: getattr(SimulatedGuests, name)
    for name in (
        "prepare", "start", "restart", "configure", "create_database", "drop_database",
        "create_user", "set_password", "set_grants", "rename_user", "drop_user", "enable_root",
        "disable_root", "begin_backup", "backup_progress", "cancel_backup",
        "enable_archive", "disable_archive", "pre_upgrade", "post_upgrade",
    )
}  # fmt: skip


def _existing(guest: GuestState, name: str, host: str) -> SimulatedUser:
    user = guest.users.get(f"{name}@{host}")
    if user is None:
        raise Failed(f"there is no user {name}@{host}")
    return user


def _user(key: str, user: SimulatedUser) -> User:
    name, _, host = key.rpartition("@")
    return User(
        name=name,
        host=host,
        managed=user.managed,
        grants=user.grants,
        fingerprint=user.fingerprint,
        password_drifted=user.password != user.set_password,
        grants_drifted=user.grants != user.set_grants,
    )
