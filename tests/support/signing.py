"""Keys that sign commits and plans: SSH's and GPG's, each in a folder of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class SshKey:
    """``allowed`` is its line of an allowed_signers file."""

    path: Path
    principal: str

    @classmethod
    def make(cls, folder: Path, principal: str) -> SshKey:
        path = folder / "id_ed25519"
        command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(path)]
        subprocess.run(command, check=True)
        return cls(path, principal)

    @property
    def allowed(self) -> str:
        return f"{self.principal} {self.path.with_suffix('.pub').read_text()}"

    @property
    def options(self) -> list[str]:
        return ["-c", "gpg.format=ssh", "-c", f"user.signingkey={self.path}"]

    @property
    def environment(self) -> dict[str, str]:
        return {}


class GpgKey:
    """A key in a GNUPGHOME of its own, whose path is short since sockets lie in it."""

    def __init__(self, owner: str) -> None:
        self._home = Path(tempfile.mkdtemp(prefix="gpg-"))
        self._owner = owner

    def __enter__(self) -> GpgKey:
        make = ["--passphrase", "", "--quick-generate-key", self._owner, "ed25519", "sign", "never"]
        self._gpg(*make)
        listed = self._gpg("--list-keys", "--with-colons").decode()
        self.fingerprint = next(
            line.split(":")[9] for line in listed.splitlines() if line.startswith("fpr")
        )
        self.public = self._gpg("--armor", "--export")
        return self

    def __exit__(self, *_error: object) -> None:
        environment = {**os.environ, **self.environment}
        subprocess.run(["gpgconf", "--kill", "all"], env=environment, check=False)
        shutil.rmtree(self._home, ignore_errors=True)

    @property
    def options(self) -> list[str]:
        return ["-c", f"user.signingkey={self.fingerprint}"]

    @property
    def environment(self) -> dict[str, str]:
        return {"GNUPGHOME": str(self._home)}

    def _gpg(self, *arguments: str) -> bytes:
        command = ["gpg", "--batch", "--quiet", "--pinentry-mode", "loopback", *arguments]
        environment = {**os.environ, **self.environment}
        return subprocess.run(command, env=environment, capture_output=True, check=True).stdout


def signed_commit(repository: Path, key: SshKey | GpgKey | None) -> str:
    """Commit everything that is there, signed with *key*; the commit's id."""
    subprocess.run(["git", "-C", str(repository), "add", "-A"], check=True)
    options = ["-c", "user.name=t", "-c", "user.email=t@localhost", *(key.options if key else [])]
    commit = ["commit", "-q", "--allow-empty", "-m", "change", *(["-S"] if key else [])]
    environment = {**os.environ, **(key.environment if key else {})}
    subprocess.run(["git", "-C", str(repository), *options, *commit], env=environment, check=True)
    told = subprocess.run(
        ["git", "-C", str(repository), "rev-parse", "HEAD"], capture_output=True, check=True
    )
    return told.stdout.decode().strip()
