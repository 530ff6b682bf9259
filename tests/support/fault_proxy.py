"""An HTTP proxy in front of one API, which refuses, breaks or delays what a test chooses."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

import urllib3

Fault = Callable[[str, str], str]
"""Gets method and path; answers "" (pass on), a status such as "503", "reset", "cut", "lost",
or "hang".

Of a request that is cut only the first half arrives. A lost answer is the worst:
what was asked is done, and nobody is told. One that hangs is held until the proxy ends.
"""
_OWN = {"connection", "content-length", "transfer-encoding"}


class OnceEach:
    """Lets the first request of each kind go wrong, and keeps the kinds that it has seen.

    *kind_of* says which requests are of one kind; those of *spared* kinds pass.
    """

    def __init__(
        self,
        fault: str,
        kind_of: Callable[[str, str], tuple[str, str]] = lambda method, path: (method, path),
        spared: Collection[tuple[str, str]] = (),
    ) -> None:
        self._fault = fault
        self._kind_of = kind_of
        self._spared = spared
        self._lock = threading.Lock()
        self.seen: set[tuple[str, str]] = set()

    def __call__(self, method: str, path: str) -> str:
        kind = self._kind_of(method, path)
        with self._lock:
            if kind in self.seen or kind in self._spared:
                return ""
            self.seen.add(kind)
        return self._fault


class FaultProxy:
    def __init__(self, target: str, fault: Fault) -> None:
        parts = urlsplit(target)
        self._ended = threading.Event()
        handler = _handler(parts.port or 80, fault, self._ended)
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}{parts.path}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._ended.set()
        self._server.shutdown()
        self._server.server_close()


def _handler(port: int, fault: Fault, ended: threading.Event) -> type[BaseHTTPRequestHandler]:
    pool = urllib3.HTTPConnectionPool("127.0.0.1", port, maxsize=32)

    class Handler(BaseHTTPRequestHandler):
        def _pass_on(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            chosen = fault(self.command, self.path)
            if chosen.isdigit():
                self.send_response(int(chosen))
                self.send_header("Retry-After", "1")
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            if chosen == "hang":
                ended.wait()
            if chosen in ("reset", "hang"):
                self._break_off()
                return
            headers = dict(self.headers)
            if chosen == "cut" and body:
                body = body[: len(body) // 2]
                headers["Content-Length"] = str(len(body))
            answer = pool.request(
                self.command, self.path, body=body, headers=headers, redirect=False
            )
            if chosen == "lost":
                self._break_off()
                return
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                if name.lower() not in _OWN:
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(answer.data)))
            self.send_header("Connection", "close")
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(answer.data)

        def _break_off(self) -> None:
            self.close_connection = True
            self.connection.close()

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = _pass_on

        def log_message(self, *_: object) -> None:
            """A test's own words are enough."""

    return Handler
