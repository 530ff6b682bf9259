"""The storage of backups from the control plane's side: orders for guests, catalogue, removal."""

from __future__ import annotations

import base64
import json
import secrets
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from typing import Any

from executors.errors import Failed, Passing
from executors.keys import ControlKey
from guest_agent.contract import archive as archives
from guest_agent.contract import backup as contract
from guest_agent.contract.archive import Archive
from guest_agent.contract.backup import Backup, NotABackup
from guest_agent.contract.errors import GuestError, TryLater
from guest_agent.toolkit import stored_backups
from guest_agent.toolkit.storage import Missing, Storage, open_storage
from planners.observed import StoredArchive, StoredBackup
from planners.steps import BackupRef, DeleteBackup, EnableArchive, TakeBackup

_KEY_BYTES = 32


@dataclass(frozen=True, slots=True)
class Order:
    """What a guest is told to take: the backup, its data key in base64, what it comes after."""

    backup: Backup
    key: str
    after: dict[str, str]


def backup_order(step: TakeBackup, settings: Mapping[str, Any], key: ControlKey) -> Order | None:
    """The order for *step*, or None where that backup is complete. Raises Passing or Failed."""
    with _storage(settings) as storage:
        backup = Backup(
            id=step.backup,
            name=step.name,
            project=step.project,
            instance_name=step.instance_name,
            instance=step.instance,
            datastore=step.datastore,
            kind=contract.INCREMENTAL if step.parent else contract.FULL,
            parent=step.parent,
            origin=step.origin,
        )
        if f"{backup.index}/{contract.MANIFEST}" in storage.names(backup.index + "/"):
            return None
        parent = BackupRef(step.parent, step.instance, step.project)
        after = _manifest(parent, storage).position if step.parent else {}
    data_key = secrets.token_bytes(_KEY_BYTES)
    wrapped = key.wrap(data_key)
    return Order(replace(backup, key=wrapped), base64.urlsafe_b64encode(data_key).decode(), after)


def restore_order(
    chain: Sequence[BackupRef], until: float, settings: Mapping[str, Any], key: ControlKey
) -> dict[str, Any] | None:
    """What ``prepare`` gets to restore *chain* and to replay the archive to the time *until*.

    None where there is nothing to restore.
    """
    if not chain:
        return None
    with _storage(settings) as storage:
        manifests = [_manifest(ref, storage) for ref in chain]
        archive = _archive(chain[-1].project, chain[-1].instance, storage) if until else None
    links = []
    for manifest in manifests:
        data_key = _unwrapped(manifest.key, f"the backup {manifest.name}", key)
        links.append({"backup": asdict(manifest), "key": data_key})
    order: dict[str, Any] = {"chain": links, "storage": dict(settings)}
    if archive is not None:
        data_key = _unwrapped(archive.key, f"the archive of {archive.instance_name}", key)
        order["point"] = {"archive": asdict(archive), "key": data_key, "until": until}
    return order


def archive_order(
    step: EnableArchive, settings: Mapping[str, Any], key: ControlKey
) -> dict[str, Any]:
    """What ``enable_archive`` gets; an archive that was begun goes on with its own key."""
    with _storage(settings) as storage:
        try:
            archive = _archive(step.project, step.instance, storage)
            data_key = _unwrapped(archive.key, f"the archive of {archive.instance_name}", key)
        except Failed:
            fresh = secrets.token_bytes(_KEY_BYTES)
            data_key = base64.urlsafe_b64encode(fresh).decode()
            archive = Archive(
                project=step.project,
                instance_name=step.instance_name,
                instance=step.instance,
                datastore=step.datastore,
                key=key.wrap(fresh),
            )
    archive = replace(archive, interval=step.interval)
    return {"archive": asdict(archive), "key": data_key, "storage": dict(settings)}


def _unwrapped(wrapped: str, what: str, key: ControlKey) -> str:
    data_key = key.unwrap(wrapped)
    if data_key is None:
        raise Failed(f"{what} was made with another control-plane key; restore that key first")
    return base64.urlsafe_b64encode(data_key).decode()


def _archive(project: str, instance: str, storage: Storage) -> Archive:
    try:
        return archives.decode(storage.get(archives.index_of(project, instance)))
    except (Missing, NotABackup) as error:
        raise Failed(f"the archive of {instance} cannot be used: {error}") from None


def erase(step: DeleteBackup, settings: Mapping[str, Any]) -> None:
    """Delete everything of a backup."""
    backup = Backup(
        id=step.backup,
        name="",
        project=step.project,
        instance_name=step.instance_name,
        instance=step.instance,
        datastore="",
    )
    with _storage(settings) as storage:
        stored_backups.erase(backup, storage)


def catalogue(settings: Mapping[str, Any]) -> tuple[list[StoredBackup], list[StoredArchive]]:
    """Every backup, by project, instance and time, and every archive that the storage tells of."""
    if not settings:
        return [], []
    with _storage(settings) as storage:
        names = storage.names(contract.INDEX)
        return _read_backups(storage, names), list(_read_archives(storage, names))


def _read_archives(storage: Storage, names: Iterable[str]) -> Iterator[StoredArchive]:
    for name in names:
        if name.endswith(f"/{archives.DESCRIPTION}"):
            try:
                found = archives.decode(storage.get(name))
            except (Missing, NotABackup):
                continue
            fields = StoredArchive.__struct_fields__
            yield StoredArchive(**{field: getattr(found, field) for field in fields})


def _read_backups(storage: Storage, names: Iterable[str]) -> list[StoredBackup]:
    documents: dict[str, dict[str, str]] = {}
    for name in names:
        folder, _, document = name.rpartition("/")
        documents.setdefault(folder, {})[document] = name
    found = []
    for held in documents.values():
        backup, damage = _described(storage, held)
        if backup is not None:
            found.append(_stored(backup, damage or _fault(storage, held)))
    return sorted(found, key=lambda b: (b.project, b.instance_name, b.began, b.id))


def _described(storage: Storage, held: Mapping[str, str]) -> tuple[Backup | None, str]:
    """The backup, and what is wrong with its manifest: then it is known as it was begun."""
    damage = ""
    for document in (contract.MANIFEST, contract.BEGUN):
        try:
            if document in held:
                return contract.decode(storage.get(held[document])), damage
        except Missing:
            continue
        except NotABackup as error:
            damage = str(error)
    return None, damage


def _fault(storage: Storage, held: Mapping[str, str]) -> str:
    if contract.MANIFEST in held or contract.FAULT not in held:
        return ""
    try:
        return str(json.loads(storage.get(held[contract.FAULT]))["fault"])
    except (ValueError, KeyError):
        return "unknown"


def _stored(backup: Backup, fault: str) -> StoredBackup:
    names = StoredBackup.__struct_fields__
    known = {name: getattr(backup, name) for name in names if hasattr(backup, name)}
    return StoredBackup(**(known | {"fault": fault}))


def _manifest(ref: BackupRef, storage: Storage) -> Backup:
    name = f"{contract.INDEX}{ref.project}/{ref.instance}/{ref.id}/{contract.MANIFEST}"
    try:
        return contract.decode(storage.get(name))
    except NotABackup as error:
        raise Failed(f"the description of the backup {ref.id} is damaged: {error}") from None


@contextmanager
def _storage(settings: Mapping[str, Any]) -> Iterator[Storage]:
    """The storage; its errors become those of actions."""
    if not settings:
        raise Failed("backups have no storage that the servers of this cloud could reach")
    try:
        yield open_storage(dict(settings))
    except TryLater as error:
        raise Passing(error.message, error.details) from None
    except GuestError as error:
        raise Failed(error.message, error.details) from None
