"""Talks to real guests: one connection, one sealed request, one sealed response."""

from __future__ import annotations

import socket
import time
import uuid
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import msgspec

from executors import permit
from executors.cloud.interface import Endpoint
from executors.errors import Failed, Passing
from executors.keys import ControlKey
from guest_agent.contract import errors, messages
from guest_agent.contract.framing import frame, read_frame
from guest_agent.contract.messages import Request, Response
from guest_agent.contract.report import Report
from guest_agent.sealing import NotGenuine, open_sealed, seal

_OBSERVE_SECONDS = 15.0
_CALL_SECONDS = 300.0
_LONG_SECONDS = 24 * 3600.0
_LONG = ("pre_upgrade", "post_upgrade")
"""What takes as long as there is data, as a restore does: a clean end, an upgrade."""
_CONNECT_SECONDS = 3.0
_AT_ONCE = 32


class SealedGuests:
    """The guests that agents run; *key* derives the key of each."""

    def __init__(self, key: ControlKey) -> None:
        self._key = key

    def observe(self, endpoints: Iterable[Endpoint]) -> dict[str, Report | None]:
        asked = list(endpoints)
        if not asked:
            return {}
        with ThreadPoolExecutor(min(_AT_ONCE, len(asked)), "observe") as pool:
            return dict(
                zip((e.instance for e in asked), pool.map(self._report, asked), strict=True)
            )

    def call(self, endpoint: Endpoint, method: str, **params: Any) -> Any:
        takes_long = method in _LONG or params.get("restore")
        deadline = _LONG_SECONDS if takes_long else _CALL_SECONDS
        permit.check()
        return self._exchange(endpoint, method, params, deadline)

    def _report(self, endpoint: Endpoint) -> Report | None:
        try:
            raw = self._exchange(endpoint, "observe", {}, _OBSERVE_SECONDS)
            return msgspec.convert(raw, Report)
        except (Passing, Failed, msgspec.ValidationError):
            return None

    def _exchange(
        self, endpoint: Endpoint, method: str, params: dict[str, Any], deadline: float
    ) -> Any:
        key = self._key.guest_key(endpoint.instance, endpoint.salt)
        request = Request(endpoint.instance, method, uuid.uuid4().hex, time.time(), params)
        try:
            token = _round_trip(endpoint.address, seal(messages.encode(request), key), deadline)
            response = messages.decode_response(open_sealed(token, key))
        except (OSError, ValueError, NotGenuine) as error:
            text = f"the guest at {endpoint.address} does not answer {method}: {error}"
            raise Passing(text) from None
        if response.message_id != request.message_id:
            raise Passing(f"the guest at {endpoint.address} answered another message")
        return _result(response)


def _round_trip(address: str, token: bytes, deadline: float) -> bytes:
    with socket.create_connection((address, messages.PORT), _CONNECT_SECONDS) as connection:
        connection.settimeout(deadline)
        connection.sendall(frame(token))
        with connection.makefile("rb") as stream:
            return read_frame(stream.read)


def _result(response: Response) -> Any:
    if not response.error:
        return response.result
    kind = errors.KINDS.get(response.error, errors.GuestError)
    if issubclass(kind, errors.TryLater):
        raise Passing(response.message, response.details)
    raise Failed(response.message, response.details)
