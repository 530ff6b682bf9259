"""The control-plane key and everything that is derived from it.

Guest keys and generated passwords are derived (HKDF-SHA256), not stored: the
journal can be lost without losing a login, and a repeated action sets the same
password. Whoever has the key has everything; keep it, and keep it safe.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import secrets
from pathlib import Path

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.keywrap import InvalidUnwrap, aes_key_unwrap, aes_key_wrap

from planners.case import SecretMissing
from planners.steps import SecretSource

_LETTERS_ONLY = str.maketrans("-_", "xy")
"""A password of letters and digits needs no quoting in any client or URI."""


class KeyFileError(Exception):
    """The key file cannot be used; the text says what to do."""


def new_salt() -> str:
    """What makes one server's guest key differ from every other's; not a secret."""
    return secrets.token_hex(16)


class ControlKey:
    """Derives guest keys, passwords and fingerprints. ``root`` resolves ``fromFile``."""

    def __init__(self, key: bytes, root: Path) -> None:
        self._key = key
        self._root = root

    def guest_key(self, instance: str, salt: str) -> str:
        """The key that seals messages to one server: URL-safe base64 of 32 bytes."""
        return self._derived(f"guest/{instance}", salt.encode())

    def agent_password(self, instance: str) -> str:
        """The password of the agent's own login; it lives in the data, so with the instance."""
        return self._derived(f"agent/{instance}").rstrip("=")

    def password(self, instance: str, login: str, source: SecretSource) -> str:
        """Raises SecretMissing."""
        if source.from_env:
            value = os.environ.get(source.from_env)
            if not value:
                raise SecretMissing(f"the environment variable {source.from_env} is not set")
            return value
        if source.from_file:
            return self._from_file(source.from_file)
        derived = self._derived(f"login/{instance}/{login}/{source.rotation}")[:32]
        return derived.translate(_LETTERS_ONLY)

    def fingerprint(self, instance: str, login: str, source: SecretSource) -> str:
        """A keyed digest that tells passwords apart. Raises SecretMissing."""
        if source.from_env or source.from_file:
            secret = "set/" + self.password(instance, login, source)
        else:
            secret = f"derived/{source.rotation}"
        text = f"{instance}/{login}/{secret}".encode()
        return hmac.new(self._key, text, hashlib.sha256).hexdigest()[:32]

    def url_key(self, container: str) -> str:
        """What signs the temporary URLs of a Swift container."""
        return self._derived(f"urls/{container}").rstrip("=")

    def wrap(self, key: bytes) -> str:
        """The data key of a backup as only this key can read it (AES key wrap, RFC 3394)."""
        return base64.urlsafe_b64encode(aes_key_wrap(self._wrapping_key(), key)).decode()

    def unwrap(self, wrapped: str) -> bytes | None:
        """The data key; None where another key wrapped it."""
        try:
            return aes_key_unwrap(self._wrapping_key(), base64.urlsafe_b64decode(wrapped))
        except (InvalidUnwrap, ValueError):
            return None

    def _wrapping_key(self) -> bytes:
        return base64.urlsafe_b64decode(self._derived("backups"))

    def _from_file(self, name: str) -> str:
        try:
            value = (self._root / name).read_text().rstrip("\n")
        except OSError as error:
            raise SecretMissing(f"the file {name} cannot be read: {error.strerror}") from None
        if not value:
            raise SecretMissing(f"the file {name} is empty")
        return value

    def _derived(self, purpose: str, salt: bytes = b"") -> str:
        kdf = HKDF(hashes.SHA256(), length=32, salt=salt or None, info=purpose.encode())
        return base64.urlsafe_b64encode(kdf.derive(self._key)).decode()


def load(path: Path, root: Path) -> ControlKey:
    """The key in *path*, which is made when it is missing. Raises KeyFileError."""
    try:
        if not path.exists():
            _create(path)
        if path.stat().st_mode & 0o077:
            raise KeyFileError(f"{path} is readable by others; run: chmod 600 {path}")
        key = base64.urlsafe_b64decode(path.read_text().strip())
    except (OSError, ValueError) as error:
        raise KeyFileError(f"cannot use the key file {path}: {error}") from None
    if len(key) != 32:
        raise KeyFileError(f"{path} does not hold a key of 32 bytes")
    return ControlKey(key, root)


def _create(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, scratch = os.open, path.with_name(f".{path.name}.{os.getpid()}")
    with os.fdopen(descriptor(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(base64.urlsafe_b64encode(secrets.token_bytes(32)).decode() + "\n")
        file.flush()
        os.fsync(file.fileno())
    try:
        os.link(scratch, path)
    except FileExistsError:
        pass
    finally:
        scratch.unlink()
