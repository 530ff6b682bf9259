"""The comment on a pull request: found by its first line and replaced, or written anew.

GitHub: "Issue comments" of its REST API; Gitea and Forgejo: ``/issues/{n}/comments``;
GitLab: "Notes" of a merge request. Lists come in pages.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import quote, urlencode

import urllib3

from reconciler.markdown import MARK

_PAGE = 100
_ATTEMPTS = 4
_SECONDS = 30.0
_LONGEST_WAIT = 60.0

Kind = Literal["github", "gitlab", "gitea"]


class ForgeError(Exception):
    """The forge did not take it; the text says why, and has no token."""


@dataclass(frozen=True)
class PullRequest:
    """Number *number* of *repository* (``owner/name``) of the forge whose API is at *api*."""

    kind: Kind
    api: str
    repository: str
    number: int
    token: str

    def put(self, text: str) -> str:
        """Make *text*, which begins with the mark, its comment; ``updated`` or ``created``.

        Raises ForgeError.
        """
        if not text.startswith(MARK):
            raise ForgeError(f"the text does not begin with {MARK}, as gitrove plan writes it")
        for each in self._comments():
            if str(each.get("body", "")).startswith(MARK):
                if each["body"] != text:
                    method = "PUT" if self.kind == "gitlab" else "PATCH"
                    self._call(method, self._one(each["id"]), {"body": text})
                return "updated"
        self._call("POST", self._all, {"body": text})
        return "created"

    def _comments(self) -> Iterator[dict[str, Any]]:
        page = 1
        while True:
            size = "limit" if self.kind == "gitea" else "per_page"
            query = urlencode({size: _PAGE, "page": page})
            found = self._call("GET", f"{self._all}?{query}")
            yield from found
            # Gitea gives all of them at once, and would give them again.
            if len(found) < _PAGE or self.kind == "gitea":
                return
            page += 1

    @property
    def _all(self) -> str:
        if self.kind == "gitlab":
            project = quote(self.repository, safe="")
            return f"/projects/{project}/merge_requests/{self.number}/notes"
        return f"/repos/{self.repository}/issues/{self.number}/comments"

    def _one(self, comment: int) -> str:
        if self.kind == "gitlab":
            return f"{self._all}/{comment}"
        return f"/repos/{self.repository}/issues/comments/{comment}"

    def _call(self, method: str, path: str, body: dict[str, str] | None = None) -> Any:
        raw = json.dumps(body).encode() if body else None
        for attempt in range(1, _ATTEMPTS + 1):
            answer = self._answer(method, path, raw)
            if answer.status < 300:
                return json.loads(answer.data or b"null")
            # What was refused for now is asked again; a comment is never written twice.
            later = answer.status in (429, 502, 503, 504)
            if not later or method == "POST" or attempt == _ATTEMPTS:
                break
            asked = answer.headers.get("Retry-After", "")
            wait = float(asked) if asked.isdigit() else float(attempt)
            time.sleep(min(wait, _LONGEST_WAIT))
        raise ForgeError(f"{method} {self.api}{path} answers {answer.status}: {_said(answer.data)}")

    def _answer(self, method: str, path: str, raw: bytes | None) -> urllib3.BaseHTTPResponse:
        headers = {"Accept": "application/json", "Content-Type": "application/json"}
        headers["User-Agent"] = "gitrove"
        match self.kind:
            case "github":
                headers["Authorization"] = f"Bearer {self.token}"
            case "gitlab":
                headers["PRIVATE-TOKEN"] = self.token
            case "gitea":
                headers["Authorization"] = f"token {self.token}"
        try:
            return urllib3.request(
                method,
                f"{self.api.rstrip('/')}{path}",
                body=raw,
                headers=headers,
                timeout=_SECONDS,
                retries=False,
            )
        except urllib3.exceptions.HTTPError as error:
            raise ForgeError(f"{self.api} does not answer: {type(error).__name__}") from None


def _said(data: bytes) -> str:
    try:
        told = json.loads(data)
        return str(told.get("message") or told.get("error") or "")[:200]
    except (ValueError, AttributeError):
        return ""
