"""The comment on a pull request, at servers that speak each forge's API."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from reconciler.forges import ForgeError, Kind, PullRequest
from reconciler.markdown import MARK

TOKEN = "forge token"
AUTHORIZED = {
    "github": ("Authorization", f"Bearer {TOKEN}"),
    "gitlab": ("PRIVATE-TOKEN", TOKEN),
    "gitea": ("Authorization", f"token {TOKEN}"),
}
LISTS = {
    "github": "/repos/team/specs/issues/7/comments",
    "gitlab": "/projects/team%2Fspecs/merge_requests/7/notes",
    "gitea": "/repos/team/specs/issues/7/comments",
}
ONES = {
    "github": "/repos/team/specs/issues/comments/",
    "gitlab": LISTS["gitlab"] + "/",
    "gitea": "/repos/team/specs/issues/comments/",
}


class Forge(ThreadingHTTPServer):
    """The comments of one pull request, by id; ``busy`` answers come first."""

    daemon_threads = True

    def __init__(self, kind: Kind) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.kind = kind
        self.comments: dict[int, str] = {n: f"comment {n}" for n in range(1, 151)}
        self.busy = 0
        self.asked: list[str] = []
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def pull(self, token: str = TOKEN) -> PullRequest:
        api = f"http://127.0.0.1:{self.server_address[1]}/api"
        return PullRequest(self.kind, api, "team/specs", 7, token)


class _Handler(BaseHTTPRequestHandler):
    server: Forge

    def log_message(self, *_: Any) -> None:
        pass

    def _answer(self, status: int, told: Any = None, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(json.dumps(told).encode())

    def _handle(self) -> None:
        forge, kind = self.server, self.server.kind
        forge.asked.append(self.command)
        length = int(self.headers.get("Content-Length") or 0)
        body = json.loads(self.rfile.read(length)) if length else {}
        header, expected = AUTHORIZED[kind]
        if self.headers.get(header) != expected:
            return self._answer(401, {"message": "Bad credentials"})
        if forge.busy:
            forge.busy -= 1
            return self._answer(503, Retry_After="0")
        parts = urlsplit(self.path)
        path = parts.path.removeprefix("/api")
        if self.command == "GET" and path == LISTS[kind]:
            return self._answer(200, self._page(parse_qs(parts.query)))
        if self.command == "POST" and path == LISTS[kind]:
            number = max(forge.comments, default=0) + 1
            forge.comments[number] = body["body"]
            return self._answer(201, {"id": number})
        method = "PUT" if kind == "gitlab" else "PATCH"
        if self.command == method and path.startswith(ONES[kind]):
            forge.comments[int(path.removeprefix(ONES[kind]))] = body["body"]
            return self._answer(200, {})
        return self._answer(404, {"message": "Not Found"})

    def _page(self, query: dict[str, list[str]]) -> list[dict[str, Any]]:
        every = [{"id": n, "body": text} for n, text in sorted(self.server.comments.items())]
        if self.server.kind == "gitea":
            return every
        size, page = int(query["per_page"][0]), int(query["page"][0])
        return every[size * (page - 1) : size * page]

    do_GET = do_POST = do_PUT = do_PATCH = _handle


@pytest.fixture(params=["github", "gitlab", "gitea"])
def forge(request: pytest.FixtureRequest) -> Iterator[Forge]:
    server = Forge(request.param)
    yield server
    server.shutdown()
    server.server_close()


def test_a_comment_is_made_once_and_then_replaced(forge: Forge) -> None:
    assert forge.pull().put(f"{MARK}\nfirst") == "created"
    assert forge.pull().put(f"{MARK}\nsecond") == "updated"
    assert forge.comments[151] == f"{MARK}\nsecond" and len(forge.comments) == 151
    forge.asked.clear()
    assert forge.pull().put(f"{MARK}\nsecond") == "updated"
    assert set(forge.asked) == {"GET"}


def test_a_busy_forge_is_asked_again(forge: Forge) -> None:
    forge.busy = 2
    assert forge.pull().put(f"{MARK}\nfirst") == "created"


def test_what_the_forge_says_is_told_and_the_token_is_not(forge: Forge) -> None:
    with pytest.raises(ForgeError, match="answers 401: Bad credentials") as error:
        forge.pull("wrong token").put(f"{MARK}\nfirst")
    assert "wrong token" not in str(error.value)
    away = PullRequest(forge.kind, "http://127.0.0.1:1", "team/specs", 7, TOKEN)
    with pytest.raises(ForgeError, match="does not answer"):
        away.put(f"{MARK}\nfirst")
    with pytest.raises(ForgeError, match="does not begin with"):
        forge.pull().put("Looks good to me")
    assert len(forge.comments) == 150
