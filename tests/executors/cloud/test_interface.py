"""Where guests are found, by what their servers and ports carry."""

from __future__ import annotations

from executors.cloud.interface import Endpoint, endpoints
from planners import observed as seen
from planners.observed import Port, Server

PORTS = [Port(id="p", name="one", address="10.0.0.7")]


def test_a_server_without_salt_or_port_has_no_guest_to_ask_and_disturbs_nobody() -> None:
    whole = Server(id="a", name="one", port="p", metadata={seen.ID: "1", seen.SALT: "s"})
    unsalted = Server(id="b", name="two", port="p", metadata={seen.ID: "2"})
    unplugged = Server(id="c", name="three", metadata={seen.ID: "3", seen.SALT: "s"})
    assert endpoints([unsalted, whole, unplugged], PORTS) == [Endpoint("1", "10.0.0.7", "s")]
