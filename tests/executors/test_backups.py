"""The catalogue of backups, from a storage alone."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from executors.backups import backup_order, catalogue, restore_order
from executors.errors import Failed
from guest_agent.contract import archive as archives
from guest_agent.contract import backup as contract
from guest_agent.contract.archive import Archive
from guest_agent.contract.backup import Backup, NotABackup
from guest_agent.toolkit.storage import Directory
from planners.steps import BackupRef, TakeBackup
from tests.support.worlds import KEY

BACKUP = Backup("b1", "first", "shop", "one", "i", "mariadb", began=10.0)
DONE = replace(BACKUP, finished=20.0, raw_bytes=7, position={"lsn": "12345"})


@pytest.fixture
def settings(tmp_path: Path) -> dict[str, str]:
    return {"driver": "directory", "path": str(tmp_path)}


@pytest.fixture
def storage(tmp_path: Path) -> Directory:
    storage = Directory(tmp_path)
    storage.put(f"{BACKUP.index}/{contract.BEGUN}", contract.encode(BACKUP))
    return storage


def test_a_backup_is_known_from_its_begin_and_complete_with_its_manifest(
    storage: Directory, settings: dict[str, str]
) -> None:
    (begun,), _ = catalogue(settings)
    assert begun.name == "first" and not begun.complete
    storage.put(f"{BACKUP.index}/{contract.FAULT}", b'{"fault": "no room"}')
    assert catalogue(settings)[0][0].fault == "no room"
    storage.put(f"{BACKUP.index}/{contract.MANIFEST}", contract.encode(DONE))
    (done,), _ = catalogue(settings)
    assert done.complete and done.fault == "" and done.raw_bytes == 7


def test_every_altered_byte_of_a_manifest_is_found(
    storage: Directory, settings: dict[str, str]
) -> None:
    good = contract.encode(DONE)
    whole = contract.decode(good)
    for place in range(len(good)):
        bad = good[:place] + bytes([good[place] ^ 1]) + good[place + 1 :]
        with suppress(NotABackup):
            assert contract.decode(bad) == whole, "only white space may differ"
    damaged = good.replace(b"12345", b"12346")
    storage.put(f"{BACKUP.index}/{contract.MANIFEST}", damaged)
    (known,), _ = catalogue(settings)
    assert not known.complete and known.fault == "its description is damaged"
    with pytest.raises(Failed, match="damaged"):
        restore_order([BackupRef("b1", "i", "shop")], 0.0, settings, KEY)


def test_archives_are_told_from_backups(storage: Directory, settings: dict[str, str]) -> None:
    archive = Archive("shop", "one", "i", "mariadb", "key", since=1.0, until=2.0)
    storage.put(archive.index, archives.encode(archive))
    backups, (found,) = catalogue(settings)
    assert [b.id for b in backups] == ["b1"]
    assert (found.instance, found.since, found.until) == ("i", 1.0, 2.0)


def test_a_storage_that_is_empty_or_not_configured_has_nothing(tmp_path: Path) -> None:
    assert catalogue({}) == ([], [])
    assert catalogue({"driver": "directory", "path": str(tmp_path / "none")}) == ([], [])


def test_without_a_storage_nothing_is_ordered() -> None:
    step = TakeBackup(
        instance="i", backup="b1", project="shop", instance_name="one", datastore="redis", name="b"
    )
    assert catalogue({}) == ([], [])
    with pytest.raises(Failed, match="no storage"):
        backup_order(step, {}, KEY)
