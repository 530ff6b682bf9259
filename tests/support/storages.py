"""What every storage of backups does, whatever it is kept in."""

from __future__ import annotations

import pytest

from executors.storage.interface import Access, Store
from guest_agent.toolkit.storage import Missing, open_storage


def keeps_objects(store: Store) -> None:
    """The contract of ``executors.storage.interface.Store``, on an empty one."""
    assert store.names("") == [] and store.names("data/") == []
    for name in ("data/b/1", "data/b/0", "data/b2/0", "index/b/manifest.json"):
        store.put(name, name.encode())
    assert store.names("data/b/") == ["data/b/0", "data/b/1"]
    assert store.names("data/b") == ["data/b/0", "data/b/1", "data/b2/0"]
    assert store.get("index/b/manifest.json") == b"index/b/manifest.json"
    store.put("data/b/0", b"again")
    assert store.get("data/b/0") == b"again"
    store.delete("data/b/0")
    store.delete("data/b/0")
    with pytest.raises(Missing):
        store.get("data/b/0")
    guest = open_storage(store.lent(Access(60, read=["data/"], write=["data/"], delete=["data/"])))
    guest.put("data/b/2", b"from the guest")
    assert store.get("data/b/2") == guest.get("data/b/2") == b"from the guest"
    guest.delete("data/b/2")
    with pytest.raises(Missing):
        guest.get("data/b/2")
    for name in store.names(""):
        store.delete(name)
    assert store.names("") == []
