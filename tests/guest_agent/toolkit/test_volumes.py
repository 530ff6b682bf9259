"""The data volume is formatted only when there is nothing on it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from guest_agent.contract.errors import GuestError
from guest_agent.toolkit import volumes

MIB = 1 << 20


def device(folder: Path, content: bytes = b"") -> Path:
    path = folder / "disk"
    with path.open("wb") as stream:
        stream.write(content)
        stream.truncate(64 * MIB)
    return path


def kind_of(path: Path) -> str:
    probe = ["blkid", "--probe", "-o", "value", "-s", "TYPE", str(path)]
    return subprocess.run(probe, capture_output=True, text=True, check=False).stdout.strip()


def test_a_blank_device_gets_a_file_system_once(tmp_path: Path) -> None:
    disk = device(tmp_path)
    volumes.format_blank(disk)
    assert kind_of(disk) == "ext4"
    before = disk.read_bytes()
    volumes.format_blank(disk)
    assert disk.read_bytes() == before


def test_another_file_system_is_kept(tmp_path: Path) -> None:
    disk = device(tmp_path)
    subprocess.run(["mkfs.ext4", "-q", "-L", "trove", str(disk)], check=True)
    before = disk.read_bytes()
    volumes.format_blank(disk)
    assert disk.read_bytes() == before


@pytest.mark.parametrize("content", [b"rows" * 1024, b"\0" * MIB + b"rows"])
def test_what_is_no_file_system_is_refused_and_kept(tmp_path: Path, content: bytes) -> None:
    disk = device(tmp_path, content)
    with pytest.raises(GuestError, match="left as it is"):
        volumes.format_blank(disk)
    assert disk.read_bytes()[: len(content)] == content


def test_a_folder_is_linked_and_a_missing_device_is_an_error(tmp_path: Path) -> None:
    folder, place = tmp_path / "volume", tmp_path / "mounts" / "data"
    folder.mkdir()
    for _ in range(2):
        volumes.attach(folder, place)
        assert place.resolve() == folder
    with pytest.raises(GuestError, match="did not appear"):
        volumes.attach(tmp_path / "nothing", place, deadline=0.1)
