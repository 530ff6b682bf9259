"""The YAML files of one Git commit, or of the working tree, as sources.

What cannot be read is an error, never an empty set: an outage must not look
like a wish that everything be gone (argo-cd#3473).
"""

from __future__ import annotations

import stat
from collections.abc import Iterator
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


def read_commit(root: Path, revision: str = "HEAD") -> Revision:
    """Everything from the commit that *revision* names. Raises RevisionError, SpecProblems."""
    try:
        repository = git.Repo(root)
        commit = repository.commit(revision)
        files = dict(_blobs(commit.tree))
        dirty = repository.is_dirty(untracked_files=False)
    except (git.InvalidGitRepositoryError, git.NoSuchPathError):
        raise RevisionError(f"{root} is not a Git repository; run: gitrove init") from None
    except (GitError, BadName, BadObject, ValueError, OSError) as error:
        raise RevisionError(f'cannot read the revision "{revision}": {error}') from None
    settings = _settings(files.get(FILE_NAME), root)
    return Revision(commit.hexsha, settings, _sources(files, settings), dirty)


def read_working_tree(root: Path) -> Revision:
    """Everything from the files as they are on disk. Raises RevisionError, SpecProblems."""
    try:
        files = dict(_files(root))
    except OSError as error:
        raise RevisionError(f"cannot read {error.filename}: {error.strerror}") from None
    settings = _settings(files.get(FILE_NAME), root)
    return Revision(WORKING_TREE, settings, _sources(files, settings))


def _blobs(tree: git.Tree) -> Iterator[tuple[str, bytes]]:
    for item in tree.traverse():
        if not isinstance(item, git.Blob) or not _is_spec(str(item.path)):
            continue
        if stat.S_ISLNK(item.mode):
            raise _symlink(str(item.path))
        yield str(item.path), item.data_stream.read()


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
    folders = [PurePosixPath(path) for path in settings.paths]
    return tuple(
        Source(name, data)
        for name, data in sorted(files.items())
        if name not in (FILE_NAME, rules)
        and any(PurePosixPath(name).is_relative_to(folder) for folder in folders)
    )
