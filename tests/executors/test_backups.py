"""The catalogue of backups, from a storage alone."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from executors.backups import archive_order, backup_order, catalogue, erase, restore_order
from executors.errors import Failed
from executors.storage.folder import Folder
from guest_agent.contract import archive as archives
from guest_agent.contract import backup as contract
from guest_agent.contract.archive import Archive
from guest_agent.contract.backup import Backup, NotABackup
from guest_agent.toolkit.stored_logs import files_in
from planners.steps import BackupRef, DeleteBackup, EnableArchive, TakeBackup
from tests.support.worlds import KEY

BACKUP = Backup("b1", "first", "shop", "one", "i", "mariadb", began=10.0)
DONE = replace(BACKUP, finished=20.0, raw_bytes=7, position={"lsn": "12345"})


def needs(name: str, position: dict[str, str]) -> bool:
    return int(name) >= int(position["log"])


@pytest.fixture
def storage(tmp_path: Path) -> Folder:
    storage = Folder(tmp_path)
    storage.put(f"{BACKUP.index}/{contract.BEGUN}", contract.encode(BACKUP))
    return storage


def test_a_backup_is_known_from_its_begin_and_complete_with_its_manifest(storage: Folder) -> None:
    (begun,), _ = catalogue({"": storage})
    assert begun.name == "first" and not begun.complete
    storage.put(f"{BACKUP.index}/{contract.FAULT}", b'{"fault": "no room"}')
    assert catalogue({"": storage})[0][0].fault == "no room"
    storage.put(f"{BACKUP.index}/{contract.MANIFEST}", contract.encode(DONE))
    (done,), _ = catalogue({"": storage})
    assert done.complete and done.fault == "" and done.raw_bytes == 7


def test_every_altered_byte_of_a_manifest_is_found(storage: Folder) -> None:
    good = contract.encode(DONE)
    whole = contract.decode(good)
    for place in range(len(good)):
        bad = good[:place] + bytes([good[place] ^ 1]) + good[place + 1 :]
        with suppress(NotABackup):
            assert contract.decode(bad) == whole, "only white space may differ"
    damaged = good.replace(b"12345", b"12346")
    storage.put(f"{BACKUP.index}/{contract.MANIFEST}", damaged)
    (known,), _ = catalogue({"": storage})
    assert not known.complete and known.fault == "its description is damaged"
    with pytest.raises(Failed, match="damaged"):
        restore_order([BackupRef("b1", "i", "shop")], 0.0, {"": storage}, KEY, needs)


def test_archives_are_told_from_backups(storage: Folder) -> None:
    archive = Archive("shop", "one", "i", "mariadb", "key", since=1.0, until=2.0)
    storage.put(archive.index, archives.encode(archive))
    backups, (found,) = catalogue({"": storage})
    assert [b.id for b in backups] == ["b1"]
    assert (found.instance, found.since, found.until) == ("i", 1.0, 2.0)


def test_a_storage_that_is_empty_or_not_configured_has_nothing(tmp_path: Path) -> None:
    assert catalogue({}) == ([], [])
    assert catalogue({"": Folder(tmp_path / "none")}) == ([], [])


def test_without_a_storage_nothing_is_ordered() -> None:
    step = TakeBackup(
        instance="i", backup="b1", project="shop", instance_name="one", datastore="redis", name="b"
    )
    with pytest.raises(Failed, match="no storage"):
        backup_order(step, {}, KEY)


def archived(storage: Folder, *names: str) -> Archive:
    archive = Archive("shop", "one", "i", "mariadb", KEY.wrap(b"k" * 32), since=1.0, until=2.0)
    storage.put(archive.index, archives.encode(archive))
    for name in names:
        storage.put(f"{archive.folder}/{name}/000000", b"")
        storage.put(f"{archive.folder}/{name}.json", b"[]")
    return archive


def completed(storage: Folder, identifier: str, log: int) -> Backup:
    done = replace(DONE, id=identifier, position={"log": str(log)}, key=KEY.wrap(b"k" * 32))
    storage.put(f"{done.index}/{contract.MANIFEST}", contract.encode(done))
    return done


def delete(identifier: str) -> DeleteBackup:
    return DeleteBackup(
        instance="i", backup=identifier, project="shop", instance_name="one", datastore="mariadb"
    )


def test_archived_files_go_with_the_last_backup_that_needs_them(storage: Folder) -> None:
    archive = archived(storage, "1", "2", "3", "10")
    for number, identifier in ((1, "b1"), (3, "b3")):
        completed(storage, identifier, number)
    erase(delete("b1"), {"": storage}, needs, lives=True)
    assert list(files_in(storage.names(f"{archive.folder}/"), archive.folder)) == ["10", "3"]
    assert [b.id for b in catalogue({"": storage})[0]] == ["b3"]
    erase(delete("b3"), {"": storage}, needs, lives=True)
    assert len(storage.names(f"{archive.folder}/")) == 4, "a living one may yet be backed up"
    erase(delete("b3"), {"": storage}, needs, lives=False)
    assert storage.names("") == []


def test_no_archived_file_goes_while_a_description_cannot_be_read(storage: Folder) -> None:
    archive = archived(storage, "1")
    completed(storage, "b1", 1)
    storage.put(f"{completed(storage, 'b3', 3).index}/{contract.MANIFEST}", b"{")
    erase(delete("b1"), {"": storage}, needs, lives=True)
    assert len(storage.names(f"{archive.folder}/")) == 2


def test_a_restore_is_told_the_files_that_it_needs_and_no_more(storage: Folder) -> None:
    archived(storage, "1", "2", "3")
    done = completed(storage, "b2", 2)
    order = restore_order([BackupRef("b2", "i", "shop")], 2.0, {"": storage}, KEY, needs)
    assert order is not None and order["point"]["names"] == ["2", "3"]
    assert order["chain"][0]["manifest"] == f"{done.index}/{contract.MANIFEST}"


def test_what_an_earlier_attempt_left_goes_before_the_next(storage: Folder) -> None:
    storage.put(f"{BACKUP.folder}/000000", b"half")
    step = TakeBackup(
        instance="i",
        backup="b1",
        project="shop",
        instance_name="one",
        datastore="mariadb",
        name="first",
    )
    assert backup_order(step, {"": storage}, KEY) is not None
    assert storage.names("") == []


def test_every_storage_has_its_own_backups(storage: Folder, tmp_path: Path) -> None:
    other = Folder(tmp_path / "other")
    done = replace(DONE, id="b9", name="far")
    other.put(f"{done.index}/{contract.MANIFEST}", contract.encode(done))
    stores = {"": storage, "offsite": other}
    known = {b.name: b.storage for b in catalogue(stores)[0]}
    assert known == {"first": "", "far": "offsite"}
    erase(msgspec.structs.replace(delete("b9"), storage="offsite"), stores, needs, lives=True)
    assert other.names("") == [] and storage.names("")
    with pytest.raises(Failed, match='the storage "gone" is not one'):
        erase(msgspec.structs.replace(delete("b1"), storage="gone"), stores, needs, lives=True)


ENABLE = EnableArchive(
    instance="i", project="shop", instance_name="one", datastore="mariadb", interval=15.0
)


def test_an_archive_goes_on_with_its_key_and_never_gets_another(storage: Folder) -> None:
    stores = {"": storage}
    first = archive_order(ENABLE, stores, KEY)
    storage.put("index/shop/i/archive.json", archives.encode(Archive(**first["archive"])))
    assert archive_order(ENABLE, stores, KEY)["key"] == first["key"]
    good = storage.get("index/shop/i/archive.json")
    for place in range(len(good)):
        bad = good[:place] + bytes([good[place] ^ 1]) + good[place + 1 :]
        with suppress(NotABackup):
            assert archives.decode(bad) == archives.decode(good), "only white space may differ"
    storage.put("index/shop/i/archive.json", good.replace(b'"one"', b'"two"'))
    with pytest.raises(Failed, match="damaged"):
        archive_order(ENABLE, stores, KEY)
    assert catalogue(stores)[1] == []
