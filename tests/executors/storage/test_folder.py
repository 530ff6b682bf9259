"""A folder as a storage."""

from __future__ import annotations

from pathlib import Path

import pytest

from executors.storage.folder import Folder
from guest_agent.contract.errors import GuestError
from tests.support.storages import keeps_objects


def test_it_keeps_objects(tmp_path: Path) -> None:
    keeps_objects(Folder(tmp_path / "backups"))
    assert list((tmp_path / "backups").iterdir()) == [], "no empty folder is left"


def test_half_an_object_is_none(tmp_path: Path) -> None:
    store = Folder(tmp_path)
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / ".000000.123").write_bytes(b"ha")
    assert store.names("data/") == []


def test_no_name_leads_out_of_the_folder(tmp_path: Path) -> None:
    store = Folder(tmp_path / "backups")
    with pytest.raises(GuestError, match="not the name of an object"):
        store.get("../control.key")
