"""What the agent is told at boot: who it is, its key, and where things are."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path

from guest_agent.contract import messages
from guest_agent.toolkit.files import write_atomically


@dataclass(frozen=True)
class AgentSettings:
    """The agent's settings file, JSON, readable by the agent's user alone.

    ``driver`` is the dotted package of the datastore; ``key`` opens and seals
    messages, until ``following_key`` does; ``secret`` is the password of the agent's own
    database login.
    ``device`` is what is mounted at ``volume``; empty where that is done already;
    ``devices`` are those of further kinds, mounted beside it, in order.
    An agent that is not root runs the server as its own user, not ``server_user``.
    """

    instance: str
    datastore: str
    driver: str
    key: str
    secret: str
    address: str
    database_port: int
    volume: str
    local: str
    server_user: str = ""
    device: str = ""
    devices: dict[str, str] = field(default_factory=dict)
    following_key: str = ""
    port: int = messages.PORT


def save_keys(path: Path, key: str, following: str) -> None:
    """Replace the keys in the file at *path*."""
    told = json.loads(path.read_text()) | {"key": key, "following_key": following}
    write_atomically(path, json.dumps(told))


def load(path: Path) -> AgentSettings:
    return AgentSettings(**json.loads(path.read_text()))
