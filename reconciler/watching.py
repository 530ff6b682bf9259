"""The newest commit that can be used, read again only when HEAD has moved."""

from __future__ import annotations

import logging
from pathlib import Path

from reconciler.workspace import Workspace
from specs.problems import SpecProblems
from specs.revision import RevisionError, head, read_commit

log = logging.getLogger("gitrove")


class Watch:
    """Follows HEAD of the repository at *root*; a commit with mistakes leaves the last good one."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._seen = ""
        self._workspace: Workspace | None = None
        self.problem = ""

    def workspace(self) -> Workspace | None:
        """The last good revision; None while there was none."""
        try:
            newest = head(self._root)
            if newest == self._seen:
                return self._workspace
            workspace = Workspace(self._root, read_commit(self._root, newest))
            documents = len(workspace.desired)
        except SpecProblems as error:
            self._seen = newest
            return self._kept(f"{newest[:12]} has mistakes: {error.problems[0].headline()}")
        except RevisionError as error:
            return self._kept(str(error))
        self._seen, self._workspace, self.problem = newest, workspace, ""
        log.info("commit %s, %d documents", newest[:12], documents)
        return workspace

    def _kept(self, problem: str) -> Workspace | None:
        if problem != self.problem:
            log.error("%s; the last good commit stays in force", problem)
        self.problem = problem
        return self._workspace
