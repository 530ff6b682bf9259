"""What a new server is told at its first boot, as cloud-init reads it.

A secret travels in user data because nothing else reaches a server that has no
key yet (rocky-adapt-to-file-injection-deprecation-in-nova); only this server's
own key and login are in it.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText
from pathlib import Path

from executors.cloud.interface import Boot
from executors.errors import Failed
from planners.observed import DATA, ROOT

SETTINGS = "/etc/gitrove/agent.json"
UNIT = "gitrove-guest-agent"
_STATE = Path("/var/lib/gitrove")
SERIAL = 20
"""Characters of a volume's id that QEMU shows as the serial of its disk."""
_MOST_BYTES = 65535
"""Nova's limit, counted after base64 (its ``user_data`` schema)."""


def user_data(instance: str, address: str, volumes: Mapping[str, str], boot: Boot) -> str:
    """The cloud-config of one server, in base64. Raises Failed where Nova would not take it.

    *volumes* has ids by kind, which hypervisors show as the disks' serials; what it boots from
    is nothing that the guest mounts.
    """
    serials = {kind: volume[:SERIAL] for kind, volume in volumes.items() if kind != ROOT}
    text = cloud_config(instance, address, serials, boot)
    encoded = base64.b64encode(text.encode()).decode()
    if len(encoded) > _MOST_BYTES:
        raise Failed(f"the user data has {len(encoded)} bytes; Nova takes {_MOST_BYTES}")
    return encoded


def cloud_config(instance: str, address: str, serials: Mapping[str, str], boot: Boot) -> str:
    """What cloud-init reads; *serials* are the volumes', by kind, in the order of mounting."""
    devices = {kind: f"/dev/disk/by-id/virtio-{serial}" for kind, serial in serials.items()}
    settings = {
        "instance": instance,
        "datastore": boot.datastore,
        "driver": boot.package,
        "key": boot.key,
        "secret": boot.secret,
        "address": address,
        "database_port": boot.port,
        "device": devices.pop(DATA),
        "devices": devices,
        "volume": str(_STATE / "data"),
        "local": str(_STATE / "local"),
        "server_user": boot.server_user,
    }
    config = {
        "write_files": [
            {
                "path": SETTINGS,
                "owner": "root:root",
                "permissions": "0600",
                "content": json.dumps(settings),
            }
        ],
        "runcmd": [["systemctl", "enable", "--now", UNIT]],
    }
    # JSON is YAML, and needs no quoting of our own.
    own = f"#cloud-config\n{json.dumps(config, indent=1)}\n"
    return _joined(own, boot.cloud_config) if boot.cloud_config else own


def _joined(*parts: str) -> str:
    """Several parts as MIME multi-part, whose lists cloud-init is to append, not to replace."""
    whole = MIMEMultipart(boundary="gitrove")
    for text in parts:
        part = MIMEText(text, "cloud-config", "utf-8")
        part["Merge-Type"] = "list(append)+dict(recurse_list)+str()"
        part.replace_header("Content-Transfer-Encoding", "8bit")
        part.set_payload(text)
        whole.attach(part)
    return whole.as_string()
