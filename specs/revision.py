"""The YAML files of one Git commit, or of the working tree, as sources.

What cannot be read is an error, never an empty set: an outage must not look
like a wish that everything be gone (argo-cd#3473).
"""

from __future__ import annotations

import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import git
from git.exc import BadName, GitError
from gitdb.exc import BadObject
from pydantic import ValidationError

from specs.loading import Source
from specs.problems import Problem, SpecProblems
from specs.settings import FILE_NAME, Settings
from specs.validation import problems_of
from specs.yaml_tree import YamlMistake, parse

_LARGE_FILE = b"version https://git-lfs.github.com/"
_SUFFIXES = (".yaml", ".yml")
WORKING_TREE = "working tree"


class RevisionError(Exception):
    """The revision cannot be read; the text says why and what to do."""


@dataclass(frozen=True)
class Revision:
    """A commit (its full id), or the working tree, with its settings and its sources."""

    name: str
    settings: Settings
    sources: tuple[Source, ...]
    dirty: bool = False


def head(root: Path) -> str:
    """The full id of the commit HEAD. Raises RevisionError."""
    try:
        with git.Repo(root) as repository:
            return repository.head.commit.hexsha
    except (GitError, BadName, BadObject, ValueError, OSError) as error:
        raise RevisionError(f"cannot read HEAD of {root}: {error}") from None


def read_commit(root: Path, revision: str = "HEAD", folder: str = "") -> Revision:
    """Everything from the commit that *revision* names, below *folder* of the repository *root*.

    Raises RevisionError, SpecProblems.
    """
    try:
        repository = git.Repo(root)
        commit = repository.commit(revision)
        tree = commit.tree[folder] if folder else commit.tree
        if not isinstance(tree, git.Tree):
            raise KeyError(folder)
        files, submodules = _read(tree, folder)
        dirty = repository.is_dirty(untracked_files=False)
    except (git.InvalidGitRepositoryError, git.NoSuchPathError):
        raise RevisionError(f"{root} is not a Git repository; run: gitrove init") from None
    except KeyError:
        raise RevisionError(f'{revision[:12]} has no folder "{folder}"') from None
    except (GitError, BadName, BadObject, ValueError, OSError) as error:
        raise RevisionError(f'cannot read the revision "{revision}": {error}') from None
    settings = _settings(files.get(FILE_NAME), root / folder)
    _refuse_submodules(submodules, settings)
    return Revision(commit.hexsha, settings, _sources(files, settings), dirty)


def read_file(root: Path, revision: str, path: str) -> bytes:
    """One file of a commit. Raises RevisionError."""
    try:
        with git.Repo(root) as repository:
            blob = repository.commit(revision).tree[path.strip("/")]
            assert isinstance(blob, git.Blob)
            return bytes(blob.data_stream.read())
    except KeyError:
        raise RevisionError(f'{revision[:12]} has no file "{path.strip("/")}"') from None
    except (GitError, BadName, BadObject, ValueError, OSError) as error:
        raise RevisionError(f'cannot read the revision "{revision}": {error}') from None


def read_working_tree(root: Path) -> Revision:
    """Everything from the files as they are on disk. Raises RevisionError, SpecProblems."""
    try:
        files = dict(_files(root))
    except OSError as error:
        raise RevisionError(f"cannot read {error.filename}: {error.strerror}") from None
    settings = _settings(files.get(FILE_NAME), root)
    return Revision(WORKING_TREE, settings, _sources(files, settings))


def _read(tree: git.Tree, folder: str) -> tuple[dict[str, bytes], list[PurePosixPath]]:
    """The content of each YAML file by name, and the submodules; names are below *folder*."""
    files: dict[str, bytes] = {}
    submodules = []
    for item in tree.traverse():
        assert isinstance(item, git.Tree | git.Blob | git.Submodule)
        path = PurePosixPath(str(item.path)).relative_to(folder)
        name = path.as_posix()
        if isinstance(item, git.Submodule):
            submodules.append(path)
        elif isinstance(item, git.Blob) and _is_spec(name):
            if stat.S_ISLNK(item.mode):
                raise _symlink(name)
            files[name] = item.data_stream.read()
            if files[name].startswith(_LARGE_FILE):
                text = "this is a pointer of Git LFS, not the file; specs must be in Git itself"
                raise SpecProblems([Problem(name, 1, 1, text)])
    return files, submodules


def _refuse_submodules(submodules: Iterable[PurePosixPath], settings: Settings) -> None:
    """What is in a submodule is not in the commit; it must not look as if it were gone."""
    for path in submodules:
        if _is_read(path, settings):
            text = f"{path} is a submodule, whose files are not part of this commit"
            raise RevisionError(f"{text}; put the specs here, or leave it out of paths")


def _files(root: Path) -> Iterator[tuple[str, bytes]]:
    for path in sorted(root.rglob("*")):
        name = path.relative_to(root).as_posix()
        if not _is_spec(name):
            continue
        if path.is_symlink():
            raise _symlink(name)
        if path.is_file():
            yield name, path.read_bytes()


def _is_spec(path: str) -> bool:
    pure = PurePosixPath(path)
    return pure.suffix in _SUFFIXES and not any(part.startswith(".") for part in pure.parts)


def _symlink(path: str) -> SpecProblems:
    message = "a symbolic link is not followed; put the file itself here"
    return SpecProblems([Problem(path, 1, 1, message)])


def _settings(data: bytes | None, root: Path) -> Settings:
    if data is None:
        raise RevisionError(f"no {FILE_NAME} in {root}; run: gitrove init")
    try:
        trees = list(parse(data.decode()))
    except YamlMistake as mistake:
        problem = Problem(FILE_NAME, mistake.line, mistake.column, mistake.message)
        raise SpecProblems([problem]) from None
    except UnicodeDecodeError:
        raise SpecProblems([Problem(FILE_NAME, 1, 1, "the file is not UTF-8 text")]) from None
    if len(trees) != 1:
        raise SpecProblems([Problem(FILE_NAME, 1, 1, "must have one document, of kind Settings")])
    try:
        return Settings.model_validate(trees[0].value)
    except ValidationError as error:
        raise SpecProblems(problems_of(error, Settings, FILE_NAME, trees[0])) from None


def _sources(files: dict[str, bytes], settings: Settings) -> tuple[Source, ...]:
    rules = settings.policy.rules
    return tuple(
        Source(name, data)
        for name, data in sorted(files.items())
        if name not in (FILE_NAME, rules) and _is_read(PurePosixPath(name), settings)
    )


def _is_read(path: PurePosixPath, settings: Settings) -> bool:
    """Whether specs are read from there."""
    return any(path.is_relative_to(PurePosixPath(folder)) for folder in settings.paths)
