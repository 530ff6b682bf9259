"""A guest reaches only what it was lent, repeats what fails in passing, and tells no URL."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from guest_agent.contract.errors import GuestError, TryLater
from guest_agent.toolkit import temporary_urls
from guest_agent.toolkit.storage import Missing, open_storage


class Server:
    """Answers by what a test put into ``answers``, then as a store of objects would."""

    def __init__(self) -> None:
        self.answers: list[int | str] = []
        self.asked: list[str] = []
        self.objects: dict[str, bytes] = {}
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _any(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                name = self.path.partition("?")[0]
                outer.asked.append(f"{self.command} {name}")
                chosen = outer.answers.pop(0) if outer.answers else 0
                if chosen == "reset":
                    self.close_connection = True
                    return
                if chosen == "cut":
                    self._answer(200, b"12345678", length=9999)
                    self.close_connection = True
                    return
                if isinstance(chosen, int) and chosen:
                    self._answer(chosen, b"")
                elif self.command == "PUT":
                    if hashlib.md5(body).hexdigest() != self.headers["ETag"]:
                        self._answer(422, b"")
                        return
                    outer.objects[name] = body
                    self._answer(201, b"")
                elif self.command == "DELETE":
                    self._answer(204 if outer.objects.pop(name, None) is not None else 404, b"")
                elif name in outer.objects:
                    self._answer(200, outer.objects[name])
                else:
                    self._answer(404, b"")

            def _answer(self, status: int, body: bytes, length: int = -1) -> None:
                self.send_response(status)
                self.send_header("Content-Length", str(len(body) if length < 0 else length))
                self.end_headers()
                self.wfile.write(body)

            do_GET = do_PUT = do_DELETE = _any

            def log_message(self, *_: object) -> None:
                """Quiet."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.base = f"http://127.0.0.1:{self._server.server_port}/v1/AUTH_x/backups/"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setattr(temporary_urls, "_FIRST_PAUSE", 0.01)
    server = Server()
    yield server
    server.close()


def lent(server: Server, expires: float | None = None) -> Any:
    until = expires or time.time() + 60
    grants = [
        {"method": m, "prefix": "data/one/", "expires": until, "signature": "s3cret"}
        for m in ("GET", "PUT", "DELETE")
    ]
    return open_storage({"driver": "temporary-urls", "base": server.base, "grants": grants})


def test_an_object_comes_back_and_goes(server: Server) -> None:
    storage = lent(server)
    storage.put("data/one/000000", b"rows")
    assert storage.get("data/one/000000") == b"rows"
    storage.delete("data/one/000000")
    storage.delete("data/one/000000")
    with pytest.raises(Missing):
        storage.get("data/one/000000")


@pytest.mark.parametrize("fault", [503, 500, 502, 429, 408, "reset", "cut"])
def test_what_fails_in_passing_is_repeated(server: Server, fault: int | str) -> None:
    storage = lent(server)
    storage.put("data/one/0", b"rows")
    server.answers = [fault, fault]
    assert storage.get("data/one/0") == b"rows"
    if fault != "cut":
        server.answers = [fault, fault]
        storage.put("data/one/0", b"other")
        assert storage.get("data/one/0") == b"other"


def test_a_storage_that_stays_away_is_told_without_the_url(
    server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    storage = lent(server)
    server.answers = [503] * 50
    with pytest.raises(TryLater, match=r"cannot be read \(503\): data/one/0") as found:
        storage.get("data/one/0")
    server.answers = ["reset"] * 50
    with pytest.raises(TryLater, match="does not answer") as reset:
        storage.put("data/one/0", b"")
    told = str(found.value) + str(reset.value) + found.value.details + caplog.text
    assert "s3cret" not in told and "temp_url" not in told


def test_full_and_refused_are_told_apart(server: Server) -> None:
    storage = lent(server)
    for status, text in ((507, "full"), (413, "full"), (401, "refuses"), (403, "refuses")):
        server.answers = [status]
        with pytest.raises(GuestError, match=text) as found:
            storage.put("data/one/0", b"")
        assert not isinstance(found.value, TryLater)


def test_only_what_was_lent_is_asked_for(server: Server) -> None:
    storage = lent(server)
    with pytest.raises(GuestError, match="may not GET data/two"):
        storage.get("data/two/0")
    with pytest.raises(GuestError, match="access to the storage has ended"):
        lent(server, time.time() - 1).get("data/one/0")
    assert server.asked == []
