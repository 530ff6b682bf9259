"""The last good commit stays in force, whatever is committed after it."""

from __future__ import annotations

import logging
import shutil
from pathlib import Path

import git
import pytest

from reconciler.sources import Here
from reconciler.watching import Watch

SETTINGS = "apiVersion: gitrove/v1\nkind: Settings\nclouds: {sim: {driver: simulated}}\n"
ONE = """apiVersion: gitrove/v1
kind: Instance
metadata: {name: %s}
spec: {datastore: {name: redis}, flavor: tiny, volume: {size: 1}}
"""


def commit(root: Path, **files: str) -> str:
    with git.Repo.init(root) as repository:
        for name, text in files.items():
            (root / f"{name}.yaml").write_text(text)
        repository.git.add("-A")
        return repository.index.commit("change").hexsha


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GITROVE_HOME", str(tmp_path / "home"))
    root = tmp_path / "repository"
    root.mkdir()
    return root


def names(watch: Watch) -> list[str]:
    workspace = watch.workspace()
    return [a.name for a in workspace.desired.instances] if workspace else []


def test_a_commit_is_read_once_and_the_next_one_follows(root: Path) -> None:
    commit(root, gitrove=SETTINGS, a=ONE % "a")
    watch = Watch(Here(root))
    first = watch.workspace()
    assert first is not None and watch.workspace() is first
    commit(root, b=ONE % "b")
    assert names(watch) == ["a", "b"]


def test_mistakes_leave_the_last_good_commit_and_are_told_once(
    root: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.ERROR)
    commit(root, gitrove=SETTINGS, a=ONE % "a")
    watch = Watch(Here(root))
    assert names(watch) == ["a"]
    commit(root, a="kind: Nonsense\n")
    assert names(watch) == ["a"] and names(watch) == ["a"]
    assert 'unknown kind "Nonsense"' in watch.problem
    assert len(caplog.records) == 1
    commit(root, a=ONE % "c")
    assert names(watch) == ["c"] and watch.problem == ""


def test_a_repository_that_is_gone_leaves_the_last_good_commit(root: Path) -> None:
    commit(root, gitrove=SETTINGS, a=ONE % "a")
    watch = Watch(Here(root))
    assert names(watch) == ["a"]
    shutil.rmtree(root / ".git")
    assert names(watch) == ["a"]
    assert "cannot read HEAD" in watch.problem


def test_nothing_is_in_force_before_the_first_good_commit(root: Path) -> None:
    commit(root, gitrove=SETTINGS, a="kind: Nonsense\n")
    assert Watch(Here(root)).workspace() is None
