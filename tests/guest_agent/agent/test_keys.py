"""A new key takes the place of the old one with the first message that it opens, never before."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from guest_agent.agent import settings
from guest_agent.agent.keys import KeyRing
from guest_agent.contract.errors import Refused
from guest_agent.sealing import NotGenuine, seal

OLD, NEW, OTHER = (Fernet.generate_key().decode() for _ in range(3))


def ring(path: Path) -> KeyRing:
    """As an agent that starts has it."""
    told = json.loads(path.read_text())
    return KeyRing(told["key"], told["following_key"], partial(settings.save_keys, path))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "agent.json"
    path.write_text(json.dumps({"key": OLD, "following_key": "", "instance": "i"}))
    return path


def test_either_opens_until_the_new_one_was_used(path: Path) -> None:
    ring(path).follow_with(NEW)
    # Each is another agent: whatever was kept is what the one before wrote.
    assert ring(path).open(seal(b"1", OLD)) == (b"1", OLD)
    assert ring(path).open(seal(b"2", NEW)) == (b"2", NEW)
    with pytest.raises(NotGenuine):
        ring(path).open(seal(b"3", OLD))
    assert ring(path).open(seal(b"4", NEW)) == (b"4", NEW)
    assert json.loads(path.read_text()) == {"key": NEW, "following_key": "", "instance": "i"}
    assert path.stat().st_mode & 0o777 == 0o600


def test_one_that_was_offered_and_never_used_gives_way_to_the_next(path: Path) -> None:
    keys = ring(path)
    keys.follow_with(OTHER)
    keys.follow_with(NEW)
    with pytest.raises(NotGenuine):
        keys.open(seal(b"1", OTHER))
    assert keys.open(seal(b"2", NEW)) == (b"2", NEW)


def test_what_is_no_key_is_refused_and_changes_nothing(path: Path) -> None:
    before = path.read_text()
    for text in ("", "short", NEW[:-2], "!" * 44):
        with pytest.raises(Refused, match="not a key"):
            ring(path).follow_with(text)
    assert path.read_text() == before
