"""One backup at a time, whole or not at all, whatever happens while it runs."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from executors.storage.folder import Folder
from guest_agent.agent.backups import BackupRunner
from guest_agent.contract import backup as contract
from guest_agent.contract.backup import Backup
from guest_agent.contract.errors import GuestError, TryLater
from guest_agent.datastores.driver import Dump, NothingToFollow, Part
from guest_agent.toolkit.processes import wait_until

KEY = secrets.token_bytes(32)


class Pipe:
    """A datastore whose dump is what the test writes."""

    def __init__(self) -> None:
        self.dumps = 0
        self.fault = ""

    @contextmanager
    def dump(self, after: dict[str, str]) -> Iterator[Dump]:
        if after:
            raise NothingToFollow("the log is gone")
        self.dumps += 1
        out, self.into = os.pipe()
        with os.fdopen(out, "rb") as stream:
            dump = Dump(stream)
            yield dump
        if self.fault:
            raise GuestError(self.fault)
        dump.position = {"lsn": "7"}

    def restore(self, parts: list[Part]) -> None: ...

    def settle(self) -> None: ...

    def write(self, data: bytes) -> None:
        assert wait_until(lambda: hasattr(self, "into"), 10)
        os.write(self.into, data)

    def end(self) -> None:
        assert wait_until(lambda: hasattr(self, "into"), 10)
        os.close(self.into)
        del self.into


@pytest.fixture
def storage(tmp_path: Path) -> Folder:
    return Folder(tmp_path / "storage")


@pytest.fixture
def pipe() -> Pipe:
    return Pipe()


@pytest.fixture
def runner(pipe: Pipe) -> BackupRunner:
    return BackupRunner(pipe)


def backup(name: str) -> Backup:
    return Backup(name, name, "shop", "one", "i", "mariadb")


def ended(runner: BackupRunner, state: str) -> str:
    """The fault of the backup, once it is in this *state*."""
    assert wait_until(lambda: runner.progress is not None and not runner.running, 10)
    assert runner.progress is not None and runner.progress.state == state
    return runner.progress.fault


def test_one_that_runs_is_joined_and_another_has_to_wait(
    runner: BackupRunner, pipe: Pipe, storage: Folder
) -> None:
    runner.begin(backup("a"), {}, KEY, storage)
    pipe.write(b"data")
    runner.begin(backup("a"), {}, KEY, storage)
    with pytest.raises(TryLater, match="the backup a is running"):
        runner.begin(backup("b"), {}, KEY, storage)
    pipe.end()
    ended(runner, contract.COMPLETED)
    assert pipe.dumps == 1
    manifest = contract.decode(storage.get(f"{backup('a').index}/{contract.MANIFEST}"))
    assert manifest.raw_bytes == 4 and manifest.position == {"lsn": "7"}


def test_a_complete_one_is_never_taken_again(
    runner: BackupRunner, pipe: Pipe, storage: Folder
) -> None:
    runner.begin(backup("a"), {}, KEY, storage)
    pipe.end()
    ended(runner, contract.COMPLETED)
    before = {name: storage.get(name) for name in storage.names("")}
    runner.begin(backup("a"), {}, KEY, storage)
    ended(runner, contract.COMPLETED)
    assert {name: storage.get(name) for name in storage.names("")} == before
    assert pipe.dumps == 1


def test_one_that_is_deleted_while_it_runs_never_looks_complete(
    runner: BackupRunner, pipe: Pipe, storage: Folder
) -> None:
    runner.begin(backup("a"), {}, KEY, storage)
    pipe.write(b"data")
    for name in storage.names(""):
        storage.delete(name)
    pipe.end()
    assert "deleted while it ran" in ended(runner, contract.FAILED)
    assert storage.names("") == []


def test_one_that_is_cancelled_leaves_nothing_and_the_next_one_runs(
    runner: BackupRunner, pipe: Pipe, storage: Folder
) -> None:
    runner.begin(backup("a"), {}, KEY, storage)
    pipe.write(b"data")
    runner.cancel("other")
    runner.cancel("a")
    pipe.end()
    assert "cancelled" in ended(runner, contract.FAILED)
    assert storage.names("") == []
    runner.begin(backup("b"), {}, KEY, storage)
    pipe.end()
    ended(runner, contract.COMPLETED)


def test_one_that_fails_says_why_and_has_no_manifest(
    runner: BackupRunner, pipe: Pipe, storage: Folder
) -> None:
    pipe.fault = "the server went away"
    runner.begin(backup("a"), {}, KEY, storage)
    pipe.end()
    assert ended(runner, contract.FAILED) == "the server went away"
    assert b"the server went away" in storage.get(f"{backup('a').index}/{contract.FAULT}")
    assert not storage.names(f"{backup('a').index}/{contract.MANIFEST}")


def test_one_that_has_nothing_to_follow_is_taken_in_full_and_says_so(
    runner: BackupRunner, pipe: Pipe, storage: Folder
) -> None:
    wanted = replace(backup("a"), kind=contract.INCREMENTAL, parent="before")
    runner.begin(wanted, {"lsn": "3"}, KEY, storage)
    pipe.end()
    ended(runner, contract.COMPLETED)
    manifest = contract.decode(storage.get(f"{wanted.index}/{contract.MANIFEST}"))
    assert (manifest.kind, manifest.parent) == (contract.FULL, "")


def test_while_it_runs_it_says_how_far_it_is(
    runner: BackupRunner, pipe: Pipe, storage: Folder
) -> None:
    assert (runner.running, runner.read) == ("", 0)
    runner.begin(backup("a"), {}, KEY, storage)
    noise = os.urandom(1 << 20)

    def progressed() -> bool:
        pipe.write(noise)
        return runner.read > 8 << 20

    assert wait_until(progressed, 30, 0)
    assert runner.running == "a"
    pipe.end()
    ended(runner, contract.COMPLETED)
    assert runner.read == 0
