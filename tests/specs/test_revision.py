"""Real Git repositories: what cannot be read is an error, never an empty wish."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from specs.problems import SpecProblems
from specs.revision import RevisionError, read_commit, read_working_tree

SETTINGS = "apiVersion: gitrove/v1\nkind: Settings\nclouds: {here: {driver: local}}\n"


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    (tmp_path / "gitrove.yaml").write_text(SETTINGS)
    (tmp_path / "one.yaml").write_text("kind: Nothing\n")
    commit(tmp_path, "init", "-q")
    commit(tmp_path, "add", "-A")
    commit(tmp_path, "commit", "-qm", "first")
    return tmp_path


def commit(folder: Path, *arguments: str) -> None:
    name = ["-c", "user.name=t", "-c", "user.email=t@localhost"]
    subprocess.run(["git", *name, *arguments], cwd=folder, check=True)


def test_a_commit_is_read_whole_whatever_the_working_tree_says(repository: Path) -> None:
    (repository / "one.yaml").unlink()
    found = read_commit(repository)
    assert [source.path for source in found.sources] == ["one.yaml"]
    assert len(found.name) == 40 and found.dirty
    assert read_working_tree(repository).sources == ()


@pytest.mark.parametrize("revision", ["nonsense", "0" * 40, "HEAD~5"])
def test_an_unknown_revision_is_an_error(repository: Path, revision: str) -> None:
    with pytest.raises(RevisionError, match="cannot read the revision"):
        read_commit(repository, revision)


def test_a_repository_without_commits_or_settings_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(RevisionError, match="not a Git repository"):
        read_commit(tmp_path)
    commit(tmp_path, "init", "-q")
    with pytest.raises(RevisionError, match="cannot read the revision"):
        read_commit(tmp_path)
    with pytest.raises(RevisionError, match=r"no gitrove\.yaml"):
        read_working_tree(tmp_path)


def test_a_symbolic_link_out_of_the_repository_is_not_followed(repository: Path) -> None:
    (repository / "link.yaml").symlink_to("/etc/passwd")
    with pytest.raises(SpecProblems, match=r"link\.yaml:1:1: a symbolic link is not followed"):
        read_working_tree(repository)
    commit(repository, "add", "-A")
    commit(repository, "commit", "-qm", "link")
    with pytest.raises(SpecProblems, match=r"link\.yaml:1:1: a symbolic link is not followed"):
        read_commit(repository)


def test_mistakes_in_the_settings_have_a_place(repository: Path) -> None:
    (repository / "gitrove.yaml").write_text(SETTINGS + "concurency: 3\n")
    with pytest.raises(SpecProblems) as caught:
        read_working_tree(repository)
    assert caught.value.problems[0].headline() == (
        'gitrove.yaml:4:1: unknown field "concurency"; did you mean "concurrency"?'
    )
