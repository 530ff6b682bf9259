"""A port of 127.0.0.1 on which nobody listens now."""

from __future__ import annotations

import socket


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


def free_address() -> str:
    return f"127.0.0.1:{free_port()}"
