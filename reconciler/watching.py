"""The newest commit that can be used, read again only when it has moved.

It follows one line of history: a commit that is not based on the one in force
waits until a person accepts it (a force-push must not undo what others did).
"""

from __future__ import annotations

import logging

import git
from git.exc import BadName, GitError
from gitdb.exc import BadObject

from policy.signatures import Trust
from reconciler.consent import signer, trust_of
from reconciler.sources import Origin
from reconciler.workspace import Workspace
from specs.problems import SpecProblems
from specs.revision import RevisionError, read_commit

log = logging.getLogger("gitrove")


class Watch:
    """Follows *origin*; a commit with mistakes leaves the last good one in force."""

    def __init__(self, origin: Origin) -> None:
        self.origin = origin
        self._seen = ""
        self._last = ""
        self._accepted = ""
        self.current: Workspace | None = None
        """The revision in force, as of the last look."""
        self.problem = ""

    @property
    def name(self) -> str:
        return self.origin.name

    def begin_at(self, commit: str) -> None:
        """*commit* was in force before this process began; empty: none was."""
        self._last = commit

    def peek(self) -> Workspace | None:
        """The newest commit as it is, without following it; ``problem`` says why there is none."""
        try:
            newest = self.origin.newest()
            revision = read_commit(self.origin.repository, newest, self.origin.folder)
            return Workspace(self.origin.root, revision)
        except SpecProblems as error:
            self.problem = error.problems[0].headline()
        except RevisionError as error:
            self.problem = str(error)
        return None

    def accept(self, commit: str) -> None:
        """Take *commit*, by the beginning of its id, although it rewrites history."""
        self._accepted, self._seen = commit, ""

    def workspace(self) -> Workspace | None:
        """The last good revision; None while there was none."""
        newest = ""
        try:
            newest = self.origin.newest()
            if newest == self._seen:
                return self.current
            self._refuse_rewritten(newest)
            revision = read_commit(self.origin.repository, newest, self.origin.folder)
            workspace = Workspace(self.origin.root, revision)
            workspace.signer = self._signer(workspace)
            documents = len(workspace.desired)
            self.origin.put(newest)
        except SpecProblems as error:
            self._seen = newest
            return self._kept(f"{newest[:12]} has mistakes: {error.problems[0].headline()}")
        except RevisionError as error:
            self._seen = newest
            return self._kept(str(error))
        self._seen, self._last, self.current, self.problem = newest, newest, workspace, ""
        log.info("commit %s, %d documents", newest[:12], documents)
        return workspace

    def trust(self, workspace: Workspace) -> Trust:
        """Whom the commit of *workspace* trusts. Raises RevisionError."""
        return trust_of(workspace, self.origin.repository, self.origin.folder)

    def _signer(self, newer: Workspace) -> str:
        judging = self.current or self.before() or newer
        policy = judging.revision.settings.policy
        commit = newer.revision.name
        return signer(commit, self.origin.repository, policy, self.trust(judging))

    def before(self) -> Workspace | None:
        """The commit that was in force before this process began, if it can still be read."""
        if not self._last:
            return None
        try:
            revision = read_commit(self.origin.repository, self._last, self.origin.folder)
            workspace = Workspace(self.origin.root, revision)
            # What a newer gitrove cannot read any more is none.
            _ = workspace.desired
        except (RevisionError, SpecProblems):
            return None
        return workspace

    def _refuse_rewritten(self, newest: str) -> None:
        if not self._last or newest == self._last:
            return
        if self._accepted and newest.startswith(self._accepted):
            return
        if not self._is_based(newest, self._last):
            raise RevisionError(
                f"history was rewritten: {newest[:12]} is not based on {self._last[:12]}, which is "
                f"in force; if that is meant, run: gitrove sync --accept {newest[:12]}"
            )

    def _is_based(self, newer: str, older: str) -> bool:
        try:
            with git.Repo(self.origin.repository) as repository:
                return repository.is_ancestor(repository.commit(older), repository.commit(newer))
        except (GitError, BadName, BadObject, ValueError):
            return False

    def _kept(self, problem: str) -> Workspace | None:
        if problem != self.problem:
            log.error("%s; the last good commit stays in force", problem)
        self.problem = problem
        return self.current
