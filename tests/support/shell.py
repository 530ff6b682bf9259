"""The command line in a repository of its own, as a user has it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

GITROVE = Path(sys.executable).parent / "gitrove"
NAME = {f"GIT_{w}_{k}": "t@localhost" for w in ("AUTHOR", "COMMITTER") for k in ("NAME", "EMAIL")}


class Shell:
    """Runs commands in the repository *name* below *folder*, with a home in *folder*."""

    def __init__(self, folder: Path, name: str = "shop") -> None:
        self.repository = folder / name
        self.environment = {**os.environ, **NAME, "GITROVE_HOME": str(folder / "home")}

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Start a command; its output and its errors are one stream."""
        folder = self.repository if self.repository.exists() else self.repository.parent
        return subprocess.Popen(
            [str(GITROVE), *arguments],
            cwd=folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, *arguments: str, expect: int = 0) -> str:
        """The output of a command that must end with the status *expect*."""
        with self.start(*arguments) as process:
            told = process.communicate()[0]
        assert process.returncode == expect, told
        return told

    def use_simulated_cloud(self) -> None:
        settings = self.repository / "gitrove.yaml"
        settings.write_text(settings.read_text().replace("driver: local", "driver: simulated"))

    def commit(self) -> None:
        for command in (["git", "add", "-A"], ["git", "commit", "-qm", "change"]):
            subprocess.run(command, cwd=self.repository, env=self.environment, check=True)
