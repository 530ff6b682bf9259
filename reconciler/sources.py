"""Where the specs come from: a folder here, or a repository elsewhere that is cloned.

A source is written ``REPOSITORY[#BRANCH[:FOLDER]]``. What cannot be reached, or
is not whole, is an error, never an empty repository.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit, urlunsplit

import git
from git.exc import BadName, GitError
from gitdb.exc import BadObject

from reconciler import places
from specs.revision import RevisionError, head

_SECONDS = 120
_ENVIRONMENT = {
    # Nobody is there to be asked.
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_SSH_COMMAND": os.environ.get("GIT_SSH_COMMAND", "ssh -o BatchMode=yes"),
    # Large files are pointers, which are told from specs when they are read.
    "GIT_LFS_SKIP_SMUDGE": "1",
}


class Origin(Protocol):
    """A repository that can be followed. ``root`` has ``gitrove.yaml``."""

    @property
    def name(self) -> str:
        """Without secrets; what people see, and the journal has."""
        ...

    @property
    def root(self) -> Path: ...

    @property
    def repository(self) -> Path: ...

    @property
    def folder(self) -> str:
        """Of ``root`` in the repository; empty at its top."""
        ...

    def newest(self) -> str:
        """The full id of the newest commit. Raises RevisionError."""
        ...

    def put(self, commit: str) -> None:
        """Make the files below ``root`` those of *commit*."""


@dataclass(frozen=True)
class Here:
    """A working copy on this machine; its HEAD is followed, and its files are left alone."""

    root: Path
    folder: str = ""

    @property
    def name(self) -> str:
        return str(self.root)

    @property
    def repository(self) -> Path:
        return self.root

    def newest(self) -> str:
        return head(self.root)

    def put(self, commit: str) -> None:
        """They are a person's."""


@dataclass(frozen=True)
class Remote:
    """A branch of a repository elsewhere, cloned below gitrove's own folder.

    An empty *branch* is the one that the repository calls its HEAD.
    """

    url: str
    branch: str
    folder: str

    @property
    def name(self) -> str:
        return written(without_secret(self.url), self.branch, self.folder)

    @property
    def repository(self) -> Path:
        # Each has files of its own: two branches are not checked out in one place.
        whole = written(self.url, self.branch, self.folder)
        digest = hashlib.sha256(whole.encode()).hexdigest()[:16]
        return places.home() / "sources" / digest

    @property
    def root(self) -> Path:
        return self.repository / self.folder

    def newest(self) -> str:
        wanted = self.branch or "HEAD"
        try:
            if not self.repository.exists():
                self._clone()
            with git.Repo(self.repository) as clone, clone.git.custom_environment(**_ENVIRONMENT):
                target = f"+{wanted}:refs/gitrove/{wanted}"
                clone.git.fetch("origin", target, kill_after_timeout=_SECONDS)
                return clone.commit(f"refs/gitrove/{wanted}").hexsha
        except (GitError, BadName, BadObject, ValueError, OSError) as error:
            raise RevisionError(f"cannot fetch {self.name}: {_why(error)}") from None

    def put(self, commit: str) -> None:
        try:
            with git.Repo(self.repository) as clone, clone.git.custom_environment(**_ENVIRONMENT):
                clone.git.checkout("--force", "--detach", commit)
        except GitError as error:
            raise RevisionError(f"cannot check out {commit[:12]}: {_why(error)}") from None

    def _clone(self) -> None:
        """A clone that is half done when this ends is none."""
        self.repository.parent.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(dir=self.repository.parent, prefix="half-"))
        try:
            git.Repo.clone_from(
                self.url,
                scratch / "clone",
                env=_ENVIRONMENT,
                multi_options=["--no-checkout"],
                kill_after_timeout=_SECONDS,
            ).close()
            (scratch / "clone").replace(self.repository)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)


def parse(text: str) -> Origin:
    """The origin that *text* names. Raises RevisionError for a folder without gitrove.yaml."""
    from reconciler.workspace import find_root

    url, _, rest = text.partition("#")
    branch, _, folder = rest.partition(":")
    if not rest and "://" not in url and not re.match(r"[\w.-]+@[\w.-]+:", url):
        return Here(find_root(Path(url)))
    if "://" not in url and Path(url).exists():
        url = Path(url).absolute().as_uri()
    return Remote(url, branch, folder.strip("/"))


def written(url: str, branch: str, folder: str) -> str:
    rest = ":".join(filter(None, (branch, folder))) if branch else f":{folder}" if folder else ""
    return f"{url}#{rest}" if rest else url


def without_secret(url: str) -> str:
    """*url* without the password, or the token, that may be in it."""
    parts = urlsplit(url)
    if "@" not in parts.netloc or parts.scheme == "ssh":
        return url
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def _why(error: Exception) -> str:
    """The last line that Git said, without a secret."""
    said = getattr(error, "stderr", "") or str(error)
    lines = [each.strip() for each in str(said).replace("stderr:", "").splitlines()]
    told = [line.strip("' ") for line in lines if line.strip("' ")]
    return re.sub(r"://[^/@\s]+@", "://", told[-1] if told else type(error).__name__)
