"""A server's configuration: a base rendered from a template, and overrides that it imports.

The import strategy of liberty-guestagent-configuration-manager: overrides live
in a file of their own, imported at the end of the base. What the server last
started with is kept as ``*.good``, so that a configuration it refuses can be
taken back whole.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from guest_agent.toolkit.files import give_to, write_atomically


@dataclass(frozen=True)
class Codec:
    """How one kind of configuration file is written and read back."""

    write: Callable[[dict[str, str]], str]
    read: Callable[[str], dict[str, str]]


class ConfigurationFiles:
    """The base and override files of one server, in *folder*, owned by *owner*."""

    def __init__(self, folder: Path, name: str, codec: Codec, owner: str = "") -> None:
        self.base = folder / name
        self.overrides = folder / f"{self.base.stem}.override{self.base.suffix}"
        self._digest = folder / f".{name}.digest"
        self._codec = codec
        self._owner = owner

    def write_base(self, content: str) -> None:
        write_atomically(self.base, content, 0o640, self._owner)
        write_atomically(self._digest, _digest_of(content))

    def base_drifted(self) -> bool:
        """Whether somebody else edited the base since it was written."""
        try:
            return _digest_of(self.base.read_text()) != self._digest.read_text()
        except OSError:
            return True

    def write_overrides(self, values: dict[str, str]) -> None:
        write_atomically(self.overrides, self._codec.write(values), 0o640, self._owner)

    def read_overrides(self) -> dict[str, str]:
        try:
            return self._codec.read(self.overrides.read_text())
        except FileNotFoundError:
            return {}

    def returning_to_base(self, values: dict[str, str]) -> dict[str, str]:
        """*values*, but what is not overridden any more becomes what the base says, if it does."""
        overridden = self.read_overrides()
        base = self._codec.read(self.base.read_text())
        return {n: v if n in overridden else base.get(n, v) for n, v in values.items()}

    def keep_as_good(self) -> None:
        """Remember the present files as ones that the server starts with."""
        for path in (self.base, self._digest, self.overrides):
            if path.exists():
                shutil.copy2(path, _good(path))

    def take_back(self) -> bool:
        """Return to the files that the server last started with; whether that changed anything."""
        changed = False
        for path in (self.base, self._digest, self.overrides):
            good = _good(path)
            if good.exists() and good.read_bytes() != path.read_bytes():
                changed = True
                shutil.copy2(good, path)
                give_to(path, self._owner)
        return changed


def _good(path: Path) -> Path:
    return path.with_name(path.name + ".good")


def _digest_of(content: str) -> str:
    return hashlib.sha256(content.encode()).hexdigest()


def ini_codec(section: str) -> Codec:
    """``[section]`` and ``key = value`` lines, as MariaDB reads them.

    What an older version does not know is marked ``loose_``, and read without the mark.
    """

    def write(values: dict[str, str]) -> str:
        return "\n".join([f"[{section}]", *(f"{k} = {values[k]}" for k in sorted(values)), ""])

    def read(text: str) -> dict[str, str]:
        return {k.removeprefix("loose_"): v for k, v in _read_pairs("=")(text).items()}

    return Codec(write, read)


def quoted_codec() -> Codec:
    """``key = 'value'`` lines, as PostgreSQL reads them."""

    def write(values: dict[str, str]) -> str:
        return "".join(f"{k} = '{v.replace(chr(39), chr(39) * 2)}'\n" for k, v in _sorted(values))

    def read(text: str) -> dict[str, str]:
        pairs = _read_pairs("=")(text)
        return {key: _unquote(value, "'") for key, value in pairs.items()}

    return Codec(write, read)


def properties_codec() -> Codec:
    """``key value`` lines, as Redis reads them."""

    def write(values: dict[str, str]) -> str:
        return "".join(f"{key} {value or chr(34) * 2}\n" for key, value in _sorted(values))

    def read(text: str) -> dict[str, str]:
        pairs = _read_pairs(" ")(text)
        return {key: _unquote(value, '"') for key, value in pairs.items()}

    return Codec(write, read)


def _sorted(values: dict[str, str]) -> list[tuple[str, str]]:
    return sorted(values.items())


def _read_pairs(separator: str) -> Callable[[str], dict[str, str]]:
    def read(text: str) -> dict[str, str]:
        values = {}
        for line in text.splitlines():
            key, found, value = line.partition(separator)
            if found and not key.lstrip().startswith(("#", "[")):
                values[key.strip()] = value.strip()
        return values

    return read


def _unquote(value: str, quote: str) -> str:
    if len(value) >= 2 and value.startswith(quote) and value.endswith(quote):
        return value[1:-1].replace(quote * 2, quote)
    return value
