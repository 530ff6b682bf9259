"""Serves sealed requests: open, check, run, seal the answer or the error."""

from __future__ import annotations

import logging
import socketserver
import traceback
from collections.abc import Callable
from dataclasses import asdict, is_dataclass
from typing import Any

from guest_agent.agent.keys import KeyRing
from guest_agent.contract import messages
from guest_agent.contract.errors import GuestError, Refused
from guest_agent.contract.framing import frame, read_frame
from guest_agent.contract.messages import Request, Response
from guest_agent.sealing import NotGenuine, ReplayGuard, seal

log = logging.getLogger("guest_agent")

Methods = dict[str, Callable[..., Any]]
_READ_DEADLINE = 10.0


class Desk:
    """Turns one sealed request into one sealed response; knows nothing of sockets."""

    def __init__(self, instance: str, keys: KeyRing, methods: Methods, guard: ReplayGuard) -> None:
        self._instance = instance
        self._keys = keys
        self._methods = methods
        self._guard = guard

    def answer(self, token: bytes) -> bytes:
        """The sealed response. Raises NotGenuine: who cannot seal gets no answer."""
        try:
            plain, key = self._keys.open(token)
            request = messages.decode_request(plain)
        except messages.MalformedMessage as error:
            raise NotGenuine(str(error)) from None
        if request.instance != self._instance:
            raise NotGenuine("the message is for another instance")
        self._guard.admit(request.message_id, request.sent_at)
        return seal(messages.encode(self._run(request)), key)

    def _run(self, request: Request) -> Response:
        try:
            if not messages.speaks(request.version):
                raise Refused(
                    f"message version {request.version} is not spoken here; "
                    f"this agent speaks {messages.VERSION}, give or take one"
                )
            method = self._methods.get(request.method)
            if method is None:
                raise Refused(f"unknown method {request.method!r}")
            result = method(**request.params)
            return Response(request.message_id, _plain(result))
        except GuestError as error:
            log.warning("%s failed: %s", request.method, error.message)
            kind = type(error).__name__
            return Response(
                request.message_id, error=kind, message=error.message, details=error.details
            )
        except Exception as error:  # noqa: BLE001 - whatever happens is answered, and sealed
            where = "".join(traceback.format_tb(error.__traceback__))
            log.error("%s failed: %s\n%s", request.method, type(error).__name__, where)
            text = f"{request.method} failed in the guest: {type(error).__name__}"
            return Response(request.message_id, error="GuestError", message=text, details=where)


def _plain(result: object) -> object:
    return asdict(result) if is_dataclass(result) and not isinstance(result, type) else result


class Service(socketserver.ThreadingTCPServer):
    """One frame in, one frame out, per connection."""

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self, address: tuple[str, int], desk: Desk) -> None:
        self.desk = desk
        super().__init__(address, _Connection)


class _Connection(socketserver.StreamRequestHandler):
    timeout = _READ_DEADLINE
    server: Service

    def handle(self) -> None:
        try:
            token = read_frame(self.rfile.read)
            answer = self.server.desk.answer(token)
            self.wfile.write(frame(answer))
        except (NotGenuine, ValueError, OSError) as error:
            log.warning("dropped a message from %s: %s", self.client_address[0], error)
