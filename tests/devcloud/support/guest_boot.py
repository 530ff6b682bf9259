"""The machine of a guest: ``guest_boot.py FOLDER`` boots from FOLDER/config-drive.

It does what cloud-init and systemd do on a real one, as far as gitrove's user
data asks for it: MIME multi-part and cloud-config with ``write_files`` and
``runcmd``, once for each server that a root disk boots; disks by their ids below /dev/disk; units
that were enabled, started at every boot and again when they fail. A guest has
no root of its own, so every absolute path is put below FOLDER/root, as chroot
would do.
"""

from __future__ import annotations

import ctypes
import email
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
from ruamel.yaml import YAML

REPOSITORY = Path(__file__).resolve().parents[3]
UNITS = REPOSITORY / "guest_agent"
PROGRAMS = {"/usr/bin/gitrove-guest-agent": [sys.executable, "-m", "guest_agent.agent"]}
_PR_SET_CHILD_SUBREAPER = 36
_TICK = 0.2
_SERIAL = 20
"""QEMU cuts the serial of a disk to this length."""


class Machine:
    def __init__(self, folder: Path) -> None:
        self._drive = folder / "config-drive" / "openstack" / "latest"
        self._volumes = folder / "volumes"
        self._root = folder / "root"
        self._enabled = self._root / "enabled-units"
        self._units: dict[str, subprocess.Popen[bytes]] = {}
        self._off = False
        image = json.loads((folder / "guest.json").read_text())["image"]
        self._path = json.loads((folder.parents[1] / "images.json").read_text()).get(image, "")

    def boot(self) -> None:
        # Whatever a guest's processes leave behind stays this one's, so that it ends with it.
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        signal.signal(signal.SIGTERM, self._power_button)
        self._show_disks()
        server = json.loads((self._drive / "meta_data.json").read_text())["uuid"]
        booted = self._root / "server"
        if not booted.exists() or booted.read_text() != server:
            self._enabled.write_text("")
            self._first_boot()
            booted.write_text(server)
        while not self._off:
            for unit in self._enabled.read_text().split():
                self._keep_running(unit)
            self._reap()
            time.sleep(_TICK)
        self._shut_down()

    # -- cloud-init -----------------------------------------------------------

    def _first_boot(self) -> None:
        path = self._drive / "user_data"
        raw = path.read_text() if path.exists() else ""
        message = email.message_from_string(raw)
        parts = list(message.walk()) if message.is_multipart() else []
        config: dict[str, Any] = {}
        for part in parts or [message]:
            text = raw if part is message else part.get_payload(decode=True).decode()
            if not part.is_multipart() and text.startswith("#cloud-config"):
                self._merge(config, YAML(typ="safe").load(text) or {}, part["Merge-Type"] or "")
        self._cloud_config(config)

    def _merge(self, config: dict[str, Any], more: dict[str, Any], how: str) -> None:
        """As cloud-init does: what an earlier part has stays, unless lists are to be appended."""
        for key, value in more.items():
            if key not in config:
                config[key] = value
            elif "list(append)" in how and isinstance(value, list):
                config[key] = config[key] + value

    def _cloud_config(self, config: dict[str, Any]) -> None:
        for file in config.get("write_files", []):
            path = self._inside(file["path"])
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(self._rooted(file["content"]))
            path.chmod(int(file.get("permissions", "0644"), 8))
        for command in config.get("runcmd", []):
            if command[:3] == ["systemctl", "enable", "--now"]:
                with self._enabled.open("a") as stream:
                    stream.write(f"{command[3]}\n")
            else:
                # The kernel is not this guest's own: what would change it is only noted.
                with (self._root / "commands").open("a") as stream:
                    stream.write(json.dumps(command) + "\n")

    def _rooted(self, content: str) -> str:
        try:
            told = json.loads(content)
        except ValueError:
            return content
        return json.dumps(self._with_paths_inside(told))

    def _with_paths_inside(self, told: Any) -> Any:
        if isinstance(told, dict):
            return {key: self._with_paths_inside(value) for key, value in told.items()}
        absolute = isinstance(told, str) and told.startswith("/")
        return str(self._inside(told)) if absolute else told

    def _inside(self, path: str) -> Path:
        return self._root / path.lstrip("/")

    def _show_disks(self) -> None:
        disks = self._inside("/dev/disk/by-id")
        disks.mkdir(parents=True, exist_ok=True)
        for old in disks.iterdir():
            old.unlink()
        for volume in self._volumes.iterdir() if self._volumes.exists() else []:
            (disks / f"virtio-{volume.name[:_SERIAL]}").symlink_to(volume.resolve())

    # -- systemd --------------------------------------------------------------

    def _keep_running(self, unit: str) -> None:
        process = self._units.get(unit)
        if process is not None:
            if process.poll() is None:
                return
            print(f"{unit} ended with {process.returncode}; started again", flush=True)
        self._units[unit] = subprocess.Popen(self._command(unit), env=self._environment())

    def _command(self, unit: str) -> list[str]:
        for line in (UNITS / f"{unit}.service").read_text().splitlines():
            if line.startswith("ExecStart="):
                program, *arguments = line.removeprefix("ExecStart=").split()
                return [*PROGRAMS[program], *(str(self._inside(a)) for a in arguments)]
        raise SystemExit(f"the unit {unit} has no ExecStart")

    def _environment(self) -> dict[str, str]:
        """With the programs of the image, which has no root of its own, before the machine's."""
        path = ":".join(filter(None, [self._path, "/usr/sbin:/usr/bin:/sbin:/bin"]))
        return {"PATH": path, "LANG": "C.UTF-8", "PYTHONPATH": str(REPOSITORY)}

    def _power_button(self, _signal: int, _frame: object) -> None:
        self._off = True

    def _shut_down(self) -> None:
        for process in self._units.values():
            process.terminate()
        for process in self._units.values():
            process.wait()

    def _reap(self) -> None:
        ours = {process.pid for process in self._units.values()}
        for child in psutil.Process().children():
            if child.pid not in ours and child.status() == psutil.STATUS_ZOMBIE:
                os.waitpid(child.pid, os.WNOHANG)


if __name__ == "__main__":
    Machine(Path(sys.argv[1])).boot()
