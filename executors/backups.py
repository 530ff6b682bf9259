"""The storage of backups from the control plane's side: orders for guests, catalogue, removal."""

from __future__ import annotations

import base64
import json
import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from typing import Any

from executors.errors import Failed, Passing
from executors.keys import ControlKey
from executors.storage.interface import Access, Store, Stores
from guest_agent.contract import archive as archives
from guest_agent.contract import backup as contract
from guest_agent.contract.archive import Archive
from guest_agent.contract.backup import Backup, NotABackup
from guest_agent.contract.errors import GuestError, TryLater
from guest_agent.toolkit import stored_logs
from guest_agent.toolkit.storage import Missing
from planners.observed import DEFAULT_STORAGE, StoredArchive, StoredBackup
from planners.steps import BackupRef, DeleteBackup, EnableArchive, TakeBackup

Needs = Callable[[str, dict[str, str]], bool]
"""Whether the archived file of a name has anything that comes after a backup's position."""

_KEY_BYTES = 32
_DAY = 86_400.0
_BACKUP_SECONDS = 3 * _DAY
"""The longest that one backup or restore may take where access to the storage is lent."""
_ARCHIVE_SECONDS = 90 * _DAY
_AT_ONCE = 8


@dataclass(frozen=True, slots=True)
class Order:
    """What a guest is told to take: the backup, its data key in base64, what it comes after."""

    backup: Backup
    key: str
    after: dict[str, str]
    storage: dict[str, Any]


def backup_order(step: TakeBackup, stores: Stores, key: ControlKey) -> Order | None:
    """The order for *step*, or None where that backup is complete. Raises Passing or Failed.

    What an earlier attempt left is deleted.
    """
    with _opened(stores, step.storage) as storage:
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
        parent = BackupRef(step.parent, step.instance, step.project, step.storage)
        after = _manifest(parent, storage).position if step.parent else {}
        _erase(backup, storage)
        own = (f"{backup.folder}/", f"{backup.index}/")
        lent = storage.lent(Access(_BACKUP_SECONDS, read=own[1:], write=own, delete=own))
    data_key = secrets.token_bytes(_KEY_BYTES)
    wrapped = key.wrap(data_key)
    encoded = base64.urlsafe_b64encode(data_key).decode()
    return Order(replace(backup, key=wrapped), encoded, after, lent)


def restore_order(
    chain: Sequence[BackupRef], until: float, stores: Stores, key: ControlKey, needs: Needs
) -> dict[str, Any] | None:
    """What ``prepare`` gets to restore *chain* and to replay the archive to the time *until*.

    None where there is nothing to restore.
    """
    if not chain:
        return None
    with _opened(stores, chain[-1].storage) as storage:
        manifests = [_manifest(ref, storage) for ref in chain]
        readable = [f"{each}/" for m in manifests for each in (m.folder, m.index)]
        links = [
            {
                "manifest": f"{each.index}/{contract.MANIFEST}",
                "key": _unwrapped(each.key, f"the backup {each.name}", key),
            }
            for each in manifests
        ]
        if not until:
            return {"chain": links, "storage": storage.lent(Access(_BACKUP_SECONDS, readable))}
        archive = _archive(chain[-1].project, chain[-1].instance, storage)
        folder = f"{archive.folder}/"
        stored = stored_logs.files_in(storage.names(folder), archive.folder)
        return {
            "chain": links,
            "storage": storage.lent(Access(_BACKUP_SECONDS, [*readable, folder])),
            "point": {
                "archive": asdict(archive),
                "key": _unwrapped(archive.key, f"the archive of {archive.instance_name}", key),
                "until": until,
                "names": [name for name in stored if needs(name, manifests[-1].position)],
            },
        }


def archive_order(step: EnableArchive, stores: Stores, key: ControlKey) -> dict[str, Any]:
    """What ``enable_archive`` gets; an archive that was begun goes on with its own key."""
    with _opened(stores, DEFAULT_STORAGE) as storage:
        index = archives.index_of(step.project, step.instance)
        if index in storage.names(index):
            # Another key would leave what is archived already without one.
            archive = _archive(step.project, step.instance, storage)
            data_key = _unwrapped(archive.key, f"the archive of {archive.instance_name}", key)
        else:
            fresh = secrets.token_bytes(_KEY_BYTES)
            data_key = base64.urlsafe_b64encode(fresh).decode()
            archive = Archive(
                project=step.project,
                instance_name=step.instance_name,
                instance=step.instance,
                datastore=step.datastore,
                key=key.wrap(fresh),
            )
        own = (f"{archive.folder}/", archive.index)
        lent = storage.lent(Access(_ARCHIVE_SECONDS, write=own))
    archive = replace(archive, interval=step.interval)
    return {"archive": asdict(archive), "key": data_key, "storage": lent}


def _unwrapped(wrapped: str, what: str, key: ControlKey) -> str:
    data_key = key.unwrap(wrapped)
    if data_key is None:
        raise Failed(f"{what} was made with another control-plane key; restore that key first")
    return base64.urlsafe_b64encode(data_key).decode()


def _archive(project: str, instance: str, storage: Store) -> Archive:
    try:
        return archives.decode(storage.get(archives.index_of(project, instance)))
    except (Missing, NotABackup) as error:
        raise Failed(f"the archive of {instance} cannot be used: {error}") from None


def erase(step: DeleteBackup, stores: Stores, needs: Needs, lives: bool) -> None:
    """Delete everything of a backup, and the archived files that no other backup needs.

    The archive of an instance that no longer *lives* goes with its last backup.
    """
    backup = Backup(
        id=step.backup,
        name="",
        project=step.project,
        instance_name=step.instance_name,
        instance=step.instance,
        datastore="",
    )
    with _opened(stores, step.storage) as storage:
        _erase(backup, storage)
        if step.storage == DEFAULT_STORAGE:
            _prune_archive(step, storage, needs, lives)


def _erase(backup: Backup, storage: Store) -> None:
    """Its manifest first, so that no half of one looks whole."""
    storage.delete(f"{backup.index}/{contract.MANIFEST}")
    for prefix in (backup.folder, backup.index):
        _delete_all(storage.names(prefix + "/"), storage)


def _prune_archive(step: DeleteBackup, storage: Store, needs: Needs, lives: bool) -> None:
    """A file that comes before every backup leads to no point in time any more."""
    described = f"{contract.INDEX}{step.project}/{step.instance}/"
    documents = storage.names(described)
    description = archives.index_of(step.project, step.instance)
    if description not in documents:
        return
    manifests = [name for name in documents if name.endswith(f"/{contract.MANIFEST}")]
    try:
        positions = [contract.decode(storage.get(name)).position for name in manifests]
    except NotABackup:
        return  # Which files it needs cannot be told.
    if not positions and lives:
        return
    folder = _archive(step.project, step.instance, storage).folder
    files = stored_logs.files_in(storage.names(f"{folder}/"), folder)
    gone = [
        objects
        for name, objects in files.items()
        if not any(needs(name, each) for each in positions)
    ]
    # Their lists first, so that no half of a file looks whole.
    _delete_all([head for head, *_ in gone], storage)
    _delete_all([each for _, *segments in gone for each in segments], storage)
    if not positions:
        storage.delete(description)


def _delete_all(names: Iterable[str], storage: Store) -> None:
    with ThreadPoolExecutor(_AT_ONCE, "storage") as pool:
        list(pool.map(storage.delete, names))


def catalogue(stores: Stores) -> tuple[list[StoredBackup], list[StoredArchive]]:
    """Every backup, by project, instance and time, and every archive that the storages tell of."""
    backups: list[StoredBackup] = []
    archived: list[StoredArchive] = []
    for name in stores:
        some, further = _catalogue_of(name, stores)
        backups += some
        archived += further
    return sorted(backups, key=lambda b: (b.project, b.instance_name, b.began, b.id)), archived


def _catalogue_of(name: str, stores: Stores) -> tuple[list[StoredBackup], list[StoredArchive]]:
    with _opened(stores, name) as storage:
        names = storage.names(contract.INDEX)
        folders: dict[str, dict[str, bytes]] = {}
        for path, document in _read_all(_telling(names), storage):
            folder, _, kind = path.rpartition("/")
            folders.setdefault(folder, {})[kind] = document
        described = [_described(folder, held, storage) for folder, held in folders.items()]
    backups = [_stored(backup, damage, name) for backup, damage in described if backup is not None]
    return backups, list(_read_archives(folders.values(), name))


def _telling(names: Sequence[str]) -> list[str]:
    """Those of *names* that have to be read: of a complete backup its manifest alone."""
    known = set(names)
    return [
        name
        for name in names
        if name.endswith((f"/{contract.MANIFEST}", f"/{archives.DESCRIPTION}"))
        or f"{name.rpartition('/')[0]}/{contract.MANIFEST}" not in known
    ]


def _read_all(names: Sequence[str], storage: Store) -> Iterator[tuple[str, bytes]]:
    """The documents by their names, without those that are deleted in this moment."""

    def read(name: str) -> bytes | None:
        try:
            return storage.get(name)
        except Missing:
            return None

    with ThreadPoolExecutor(_AT_ONCE, "storage") as pool:
        for name, document in zip(names, pool.map(read, names), strict=True):
            if document is not None:
                yield name, document


def _read_archives(folders: Iterable[Mapping[str, bytes]], storage: str) -> Iterator[StoredArchive]:
    for held in folders:
        try:
            if archives.DESCRIPTION in held:
                found = archives.decode(held[archives.DESCRIPTION])
                yield StoredArchive(
                    project=found.project,
                    instance_name=found.instance_name,
                    instance=found.instance,
                    since=found.since,
                    until=found.until,
                    storage=storage,
                )
        except NotABackup:
            continue


def _described(folder: str, held: Mapping[str, bytes], storage: Store) -> tuple[Backup | None, str]:
    """The backup and its fault; one whose manifest is damaged is known as it was begun."""
    damage = ""
    try:
        if contract.MANIFEST in held:
            return contract.decode(held[contract.MANIFEST]), ""
    except NotABackup as error:
        damage = str(error)
        begun = f"{folder}/{contract.BEGUN}"
        held = {path.rpartition("/")[2]: raw for path, raw in _read_all([begun], storage)}
    try:
        if contract.BEGUN in held:
            return contract.decode(held[contract.BEGUN]), damage or _fault(held)
    except NotABackup:
        """Nothing tells what it was."""
    return None, damage


def _fault(held: Mapping[str, bytes]) -> str:
    if contract.FAULT not in held:
        return ""
    try:
        return str(json.loads(held[contract.FAULT])["fault"])
    except (ValueError, KeyError):
        return "unknown"


def _stored(backup: Backup, fault: str, storage: str) -> StoredBackup:
    names = StoredBackup.__struct_fields__
    known = {name: getattr(backup, name) for name in names if hasattr(backup, name)}
    return StoredBackup(**(known | {"fault": fault, "storage": storage}))


def _manifest(ref: BackupRef, storage: Store) -> Backup:
    name = f"{contract.INDEX}{ref.project}/{ref.instance}/{ref.id}/{contract.MANIFEST}"
    try:
        return contract.decode(storage.get(name))
    except NotABackup as error:
        raise Failed(f"the description of the backup {ref.id} is damaged: {error}") from None


@contextmanager
def _opened(stores: Stores, name: str) -> Iterator[Store]:
    """The storage of that name; its errors become those of actions."""
    if name not in stores:
        which = f'the storage "{name}" is not one' if name else "backups have no storage"
        raise Failed(f"{which} that the servers of this cloud could reach")
    try:
        yield stores[name]
    except TryLater as error:
        raise Passing(error.message, error.details) from None
    except GuestError as error:
        raise Failed(error.message, error.details) from None
