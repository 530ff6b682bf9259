"""Repositories elsewhere are followed; what is wrong with them changes nothing."""

from __future__ import annotations

from pathlib import Path

import git
import pytest

from reconciler.sources import Here, Remote, parse, without_secret
from reconciler.watching import Watch
from specs.revision import RevisionError
from tests.support.daemons import SETTINGS, instances

ONE = instances("tiny", "shop/one")


@pytest.fixture
def remote(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> git.Repo:
    monkeypatch.setenv("GITROVE_HOME", str(tmp_path / "home"))
    repository = git.Repo.init(tmp_path / "remote", initial_branch="main")
    commit(repository, {"gitrove.yaml": SETTINGS, "all.yaml": ONE})
    return repository


def commit(repository: git.Repo, files: dict[str, str]) -> str:
    for name, text in files.items():
        path = Path(repository.working_dir) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    repository.git.add("-A")
    return repository.index.commit("change").hexsha


def watch(repository: git.Repo, rest: str = "#main") -> Watch:
    return Watch(parse(f"file://{repository.working_dir}{rest}"))


def names(watch: Watch) -> list[str]:
    workspace = watch.workspace()
    return [a.name for a in workspace.desired.instances] if workspace else []


def test_a_source_is_a_folder_here_or_an_address_with_branch_and_folder(
    tmp_path: Path, remote: git.Repo
) -> None:
    assert parse(str(remote.working_dir)) == Here(Path(remote.working_dir))
    url = "https://host/specs.git"
    assert parse(url) == Remote(url, "", "")
    assert parse(f"{url}#main") == Remote(url, "main", "")
    assert parse(f"{url}#main:teams/shop") == Remote(url, "main", "teams/shop")
    assert parse("git@host:specs.git#main") == Remote("git@host:specs.git", "main", "")
    assert parse(f"{remote.working_dir}#main").name == f"file://{remote.working_dir}#main"
    with pytest.raises(RevisionError, match=r"no gitrove.yaml"):
        parse(str(tmp_path / "nowhere"))


def test_logins_are_not_told() -> None:
    assert without_secret("https://bob:s3cret@host:8443/x.git") == "https://host:8443/x.git"
    assert without_secret("ssh://git@host/x.git") == "ssh://git@host/x.git"
    away = Watch(parse("https://bob:s3cret@127.0.0.1:1/x.git"))
    assert away.workspace() is None
    assert "s3cret" not in away.problem and "cannot fetch https://127.0.0.1:1/x.git" in away.problem


def test_a_branch_and_a_folder_of_it_are_followed(remote: git.Repo) -> None:
    commit(remote, {"teams/lab/gitrove.yaml": SETTINGS, "teams/lab/all.yaml": ONE})
    lab = watch(remote, "#main:teams/lab")
    assert names(lab) == ["one"]
    newest = commit(remote, {"teams/lab/all.yaml": instances("tiny", "shop/two")})
    assert names(lab) == ["two"]
    workspace = lab.workspace()
    assert workspace is not None and workspace.revision.name == newest
    assert (workspace.root / "all.yaml").read_text() == instances("tiny", "shop/two")
    remote.create_head("other")
    commit(remote, {"all.yaml": instances("tiny", "shop/three")})
    assert names(watch(remote, "#other:teams/lab")) == ["two"]


def test_a_branch_that_is_deleted_or_a_repository_that_is_gone_deletes_nothing(
    remote: git.Repo,
) -> None:
    remote.git.branch("prod")
    followed = watch(remote, "#prod")
    assert names(followed) == ["one"]
    remote.git.branch("-D", "prod")
    assert names(followed) == ["one"] and "cannot fetch" in followed.problem
    remote.git.branch("prod")
    assert names(followed) == ["one"] and not followed.problem
    away = Path(remote.working_dir).rename(Path(remote.working_dir).with_name("away"))
    assert names(followed) == ["one"] and "cannot fetch" in followed.problem
    away.rename(remote.working_dir)
    assert names(followed) == ["one"] and not followed.problem


def test_a_force_push_waits_for_a_person(remote: git.Repo) -> None:
    followed = watch(remote)
    first = remote.head.commit.hexsha
    commit(remote, {"all.yaml": ONE + instances("tiny", "shop/two")})
    assert names(followed) == ["one", "two"]
    remote.git.reset("--hard", first)
    other = commit(remote, {"all.yaml": instances("tiny", "shop/three")})
    assert names(followed) == ["one", "two"]
    assert f"gitrove sync --accept {other[:12]}" in followed.problem
    # Another process knows what was in force.
    again = watch(remote)
    assert followed.current is not None
    again.begin_at(followed.current.revision.name)
    assert names(again) == [] and "history was rewritten" in again.problem
    followed.accept(other[:12])
    assert names(followed) == ["three"] and not followed.problem


def test_an_empty_tree_deletes_nothing(remote: git.Repo) -> None:
    followed = watch(remote)
    assert names(followed) == ["one"]
    remote.git.rm("-r", ".")
    remote.index.commit("nothing")
    assert names(followed) == ["one"] and "no gitrove.yaml" in followed.problem


def test_half_a_clone_is_none(remote: git.Repo) -> None:
    followed = watch(remote)
    origin = followed.origin
    # A killed clone leaves a folder beside, and a damaged one is told.
    (origin.repository.parent / "half-dead").mkdir(parents=True)
    assert names(followed) == ["one"]
    objects = origin.repository / ".git" / "objects"
    commit(remote, {"all.yaml": instances("tiny", "shop/two")})
    assert names(followed) == ["two"]
    blob = remote.head.commit.tree["all.yaml"].hexsha
    (objects / blob[:2] / blob[2:]).unlink()
    fresh = watch(remote)
    assert names(fresh) == [] and "cannot" in fresh.problem
    assert names(followed) == ["two"]


def test_submodules_and_large_file_pointers_are_not_taken_for_specs(
    remote: git.Repo, tmp_path: Path
) -> None:
    followed = watch(remote)
    assert names(followed) == ["one"]
    commit(remote, {"large.yaml": "version https://git-lfs.github.com/spec/v1\noid sha256:0\n"})
    assert names(followed) == ["one"] and "pointer of Git LFS" in followed.problem
    (Path(remote.working_dir) / "large.yaml").unlink()
    library = git.Repo.init(tmp_path / "library")
    commit(library, {"all.yaml": ONE})
    remote.git.execute(
        ["git", "-c", "protocol.file.allow=always", "submodule", "add", library.working_dir, "lib"]
    )
    commit(remote, {})
    assert names(followed) == ["one"] and "lib is a submodule" in followed.problem
    settings = SETTINGS.replace("clouds:", "paths: [all.yaml]\nclouds:")
    commit(remote, {"gitrove.yaml": settings})
    assert names(followed) == ["one"] and not followed.problem
