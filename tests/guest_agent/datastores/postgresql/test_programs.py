"""Which of several installed versions is taken."""

from __future__ import annotations

from pathlib import Path

import pytest

from guest_agent.contract.errors import GuestError
from guest_agent.datastores.postgresql.programs import bin_folder, installed_line, program


def installed(folder: Path, version: str) -> Path:
    """A folder with a server that tells this version."""
    folder.mkdir(parents=True)
    server = folder / "postgres"
    server.write_text(f"#!/bin/sh\necho 'postgres (PostgreSQL) {version}'\n")
    server.chmod(0o755)
    return folder


def test_the_first_on_path_is_the_installed_one_and_the_others_are_found_by_version(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    new, old = installed(tmp_path / "16", "16.4"), installed(tmp_path / "12", "12.20 (Debian)")
    monkeypatch.setenv("PATH", f"{new}:{old}:/usr/bin:/bin")
    assert installed_line() == "16" and program("initdb") == str(new / "initdb")
    assert bin_folder("12") == old
    with pytest.raises(GuestError, match="PostgreSQL 9 is not installed"):
        bin_folder("9")


def test_a_link_to_the_server_alone_leads_to_its_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = installed(tmp_path / "16", "16.4")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "postgres").symlink_to(real / "postgres")
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    assert program("pg_basebackup") == str(real / "pg_basebackup")
