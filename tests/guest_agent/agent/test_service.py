"""Sealed messages on a real socket: who cannot seal, replays or alters gets no answer."""

from __future__ import annotations

import socket
import threading
import time
import uuid
from collections.abc import Iterator

import pytest
from cryptography.fernet import Fernet

from executors.cloud.interface import Endpoint
from executors.errors import Failed, Passing
from executors.guest.client import SealedGuests
from guest_agent.agent.keys import KeyRing
from guest_agent.agent.service import Desk, Service
from guest_agent.contract import messages
from guest_agent.contract.errors import Refused
from guest_agent.contract.framing import frame, read_frame
from guest_agent.contract.messages import VERSION, Request
from guest_agent.sealing import ReplayGuard, open_sealed, seal
from tests.support.worlds import KEY

INSTANCE, SALT = "instance-1", "salt"
GUEST_KEY = KEY.guest_key(INSTANCE, SALT)


def refuse(**_params: object) -> None:
    raise Refused("the secret reason")


@pytest.fixture
def endpoint(network: str) -> Iterator[Endpoint]:
    """An agent's service that echoes, with one method that fails."""
    methods = {"ping": lambda: "pong", "echo": lambda text: text, "refuse": refuse}
    address = network.replace("0/24", "9")
    keys = KeyRing(GUEST_KEY, "", lambda *_: None)
    methods["rotate_key"] = keys.follow_with
    desk = Desk(INSTANCE, keys, methods, ReplayGuard(lambda: time.time() - 0.001))
    service = Service((address, messages.PORT), desk)
    threading.Thread(target=service.serve_forever, args=(0.05,), daemon=True).start()
    yield Endpoint(INSTANCE, address, SALT)
    service.shutdown()
    service.server_close()


def request(method: str = "ping", **changes: object) -> Request:
    fields = {"instance": INSTANCE, "sent_at": time.time(), "message_id": uuid.uuid4().hex}
    return Request(method=method, **{**fields, **changes})  # type: ignore[arg-type]


def sealed(message: Request, key: str = GUEST_KEY) -> bytes:
    return seal(messages.encode(message), key)


def raw(endpoint: Endpoint, data: bytes) -> bytes:
    """What the service sends back for *data*; nothing where it hangs up."""
    with socket.create_connection((endpoint.address, messages.PORT), 5) as connection:
        connection.sendall(data)
        connection.shutdown(socket.SHUT_WR)
        received = b""
        try:
            while part := connection.recv(65536):
                received += part
        except ConnectionResetError:
            return b""
        return received


def test_a_genuine_message_is_answered(endpoint: Endpoint) -> None:
    assert SealedGuests(KEY).call(endpoint, "echo", text="größe") == "größe"


def test_an_exception_comes_back_sealed_and_as_what_it_was(endpoint: Endpoint) -> None:
    with pytest.raises(Failed, match="the secret reason"):
        SealedGuests(KEY).call(endpoint, "refuse")
    answer = raw(endpoint, frame(sealed(request("refuse"))))
    assert answer and b"secret" not in answer


def test_nothing_on_the_wire_can_be_read(endpoint: Endpoint) -> None:
    token = sealed(request("echo", params={"text": "a very secret text"}))
    answer = raw(endpoint, frame(token))
    assert b"secret" not in token + answer and b"echo" not in token + answer
    assert b"a very secret text" in open_sealed(answer[4:], GUEST_KEY)


def test_another_guests_key_is_worth_nothing(endpoint: Endpoint) -> None:
    other = KEY.guest_key("instance-2", SALT)
    assert raw(endpoint, frame(sealed(request(), other))) == b""
    assert raw(endpoint, frame(sealed(request(), Fernet.generate_key().decode()))) == b""
    with pytest.raises(Passing):
        SealedGuests(KEY).call(Endpoint(INSTANCE, endpoint.address, "other salt"), "ping")


def test_a_message_for_another_instance_is_not_answered(endpoint: Endpoint) -> None:
    assert raw(endpoint, frame(sealed(request(instance="instance-2")))) == b""


def test_a_captured_message_cannot_be_replayed(endpoint: Endpoint) -> None:
    captured = frame(sealed(request()))
    assert raw(endpoint, captured) != b""
    assert raw(endpoint, captured) == b""


@pytest.mark.parametrize("seconds", [-61, -3600, 3600])
def test_a_stale_or_future_message_is_not_answered(endpoint: Endpoint, seconds: int) -> None:
    assert raw(endpoint, frame(sealed(request(sent_at=time.time() + seconds)))) == b""


def test_what_was_sent_before_the_agent_began_is_not_answered() -> None:
    keys = KeyRing(GUEST_KEY, "", lambda *_: None)
    desk = Desk(INSTANCE, keys, {"ping": lambda: "pong"}, ReplayGuard())
    old = sealed(request(sent_at=time.time() - 5))
    with pytest.raises(Exception, match="stale"):
        desk.answer(old)


@pytest.mark.parametrize("position", [0, 9, 30, -1])
def test_a_message_with_one_byte_altered_is_not_answered(endpoint: Endpoint, position: int) -> None:
    token = bytearray(sealed(request()))
    token[position] ^= 1
    assert raw(endpoint, frame(bytes(token))) == b""


@pytest.mark.parametrize(
    "data",
    [b"", b"\x00", b"\x00\x00\x00\x05abc", b"\xff\xff\xff\xff" + b"x" * 100, b"GET / HTTP/1.1\r\n"],
)
def test_garbage_gets_no_answer_and_the_next_is_served(endpoint: Endpoint, data: bytes) -> None:
    assert raw(endpoint, data) == b""
    assert SealedGuests(KEY).call(endpoint, "ping") == "pong"


def test_a_frame_over_the_limit_is_neither_sent_nor_read() -> None:
    with pytest.raises(ValueError, match="too large"):
        frame(b"x" * (messages.MAX_FRAME + 1))
    with pytest.raises(ValueError, match="too large"):
        read_frame(lambda _n: b"\x7f\xff\xff\xff")


@pytest.mark.parametrize(
    ("version", "spoken"), [(VERSION - 1, True), (VERSION + 1, True), (VERSION + 2, False)]
)
def test_one_release_older_or_newer_is_understood(
    endpoint: Endpoint, version: int, spoken: bool
) -> None:
    answer = raw(endpoint, frame(sealed(request(version=version))))
    response = messages.decode_response(open_sealed(answer[4:], GUEST_KEY))
    assert (response.result == "pong") is spoken
    if not spoken:
        assert response.error == "Refused" and "not spoken here" in response.message


def test_fields_of_a_newer_release_are_passed_over() -> None:
    plain = messages.encode(request())[:-1] + b',"novelty":1}'
    assert messages.decode_request(plain).method == "ping"
