"""What a server is told at its first boot."""

from __future__ import annotations

import base64
import email
import json
from dataclasses import replace

import pytest
from ruamel.yaml import YAML

from executors.cloud.interface import Boot
from executors.cloud.user_data import SETTINGS, user_data
from executors.errors import Failed
from guest_agent.agent.settings import AgentSettings

BOOT = Boot("redis", "guest_agent.datastores.redis", 6379, "redis", "salt", "key", "secret")
VOLUMES = {"data": "0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0", "user_log": "a" * 36}


def test_it_is_a_cloud_config_with_the_settings_that_the_agent_reads() -> None:
    text = base64.b64decode(user_data("one", "10.0.0.7", VOLUMES, BOOT)).decode()
    assert text.startswith("#cloud-config\n")
    config = YAML(typ="safe").load(text)
    (file,) = config["write_files"]
    assert (file["path"], file["permissions"]) == (SETTINGS, "0600")
    settings = AgentSettings(**json.loads(file["content"]))
    assert (settings.instance, settings.address, settings.key) == ("one", "10.0.0.7", "key")
    assert settings.device == "/dev/disk/by-id/virtio-0f1e2d3c-4b5a-6978-8"
    assert settings.devices == {"user_log": f"/dev/disk/by-id/virtio-{'a' * 20}"}
    assert config["runcmd"] == [["systemctl", "enable", "--now", "gitrove-guest-agent"]]


def test_what_nova_would_refuse_is_refused_before_it_is_sent() -> None:
    with pytest.raises(Failed, match="65535"):
        user_data(
            "one",
            "10.0.0.7",
            VOLUMES,
            replace(BOOT, secret="x" * 50_000),
        )


def test_a_datastores_own_part_is_appended_to_what_all_machines_are_told() -> None:
    own = "#cloud-config\nruncmd: [[touch, /über]]\n"
    text = base64.b64decode(user_data("one", "10.0.0.7", VOLUMES, replace(BOOT, cloud_config=own)))
    message = email.message_from_bytes(text)
    parts = [part for part in message.walk() if not part.is_multipart()]
    assert {part.get_content_type() for part in parts} == {"text/cloud-config"}
    assert {part["Merge-Type"] for part in parts} == {"list(append)+dict(recurse_list)+str()"}
    agent, datastore = (part.get_payload(decode=True).decode() for part in parts)
    assert "gitrove-guest-agent" in agent and datastore == own
