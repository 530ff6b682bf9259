"""Commits that are signed, plans that two people agree to, on a real daemon and real servers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from guest_agent.toolkit.processes import wait_until
from tests.support.daemons import Daemon
from tests.support.shell import Shell
from tests.support.signing import GpgKey, SshKey, signed_commit

POLICY = """
reconcile: {interval: 3}
policy:
  requireSignatures: true
  allowedSigners: policy/allowed_signers
  keys: policy/keys.asc
  maxDestroyShare: 1
  approvals: [{impact: downtime}]
  actors:
    alice: {roles: [member], projects: [shop], identities: [alice@example.org]}
    bob: {roles: [member, approver], identities: [bob@example.org, "%s"]}
    carol: {roles: [reader], projects: [], identities: ["%s"]}
"""
CACHE = """
apiVersion: gitrove/v1
kind: Instance
metadata: {name: cache}
spec: {datastore: {name: redis}, flavor: %s, volume: {size: %d}}
"""


@pytest.fixture
def keys(tmp_path: Path) -> dict[str, SshKey]:
    def make(name: str) -> SshKey:
        (tmp_path / name).mkdir()
        return SshKey.make(tmp_path / name, f"{name}@example.org")

    return {name: make(name) for name in ("alice", "bob", "mallory")}


@pytest.fixture
def bob() -> Iterator[GpgKey]:
    with GpgKey("Bob <bob@example.org>") as key:
        yield key


@pytest.fixture
def carol() -> Iterator[GpgKey]:
    with GpgKey("Carol <carol@example.org>") as key:
        yield key


def status(shell: Shell) -> dict[str, Any]:
    found: list[dict[str, Any]] = json.loads(shell.run("observe"))["cloud"].get("servers", [])
    return found[0] if found else {}


def test_who_may_and_who_agrees(
    shell: Shell, keys: dict[str, SshKey], bob: GpgKey, carol: GpgKey
) -> None:
    root = shell.repository
    for each in (root / "databases").iterdir():
        each.unlink()
    (root / "policy").mkdir()
    (root / "policy" / "allowed_signers").write_text(keys["alice"].allowed + keys["bob"].allowed)
    (root / "policy" / "keys.asc").write_bytes(carol.public + bob.public)
    with (root / "gitrove.yaml").open("a") as settings:
        settings.write(POLICY % (bob.fingerprint, carol.fingerprint))

    def commit(key: SshKey | GpgKey | None, flavor: str, size: int = 1) -> str:
        (root / "databases" / "cache.yaml").write_text(CACHE % (flavor, size))
        return signed_commit(root, key)

    first = commit(keys["alice"], "tiny")
    daemon = Daemon(shell)
    try:
        assert wait_until(lambda: status(shell).get("flavor") == "tiny", 60), daemon.log.read_text()
        (run, *_) = json.loads(shell.run("history", "--output", "json"))
        assert run["actor"] == "alice" and first.startswith(run["revision"][:12])

        # Nobody's, a stranger's, and what would let a stranger in.
        commit(None, "small")
        daemon.says("is not signed; policy.requireSignatures is set")
        allowed = root / "policy" / "allowed_signers"
        before = allowed.read_text()
        allowed.write_text(before + keys["mallory"].allowed)
        commit(keys["mallory"], "small")
        daemon.says("no signature of anybody who is trusted")
        allowed.write_text(before)
        # Carol is known, by GPG, and may do nothing.
        commit(carol, "tiny", 2)
        daemon.says("carol may not do instance:resize_volume on shop/cache")
        assert status(shell)["flavor"] == "tiny"

        # Alice may, and what costs downtime needs another.
        commit(keys["alice"], "small", 2)
        assert wait_until(lambda: "approve" in waiting(shell), 30), daemon.log.read_text()
        digest = waiting(shell).split("gitrove approve ")[1].split()[0]
        assert "sign with --key" in shell.run("approve", digest, "--yes", expect=1)
        shell.run("approve", digest, "--yes", "--key", str(keys["alice"].path))
        shell.run("approve", digest, "--yes", "--key", str(keys["mallory"].path))
        shell.run("sync")
        assert status(shell)["flavor"] == "tiny"
        # Bob agrees to exactly that; another wish takes another approval.
        commit(keys["alice"], "medium", 2)
        assert wait_until(lambda: digest not in waiting(shell), 30)
        shell.run("approve", digest, "--yes", "--key", str(keys["bob"].path))
        shell.run("sync")
        assert status(shell)["flavor"] == "tiny"
        now = waiting(shell).split("gitrove approve ")[1].split()[0]
        shell.environment |= bob.environment
        assert "medium" in shell.run("approve", now, "--yes", "--key", bob.fingerprint)
        assert wait_until(lambda: status(shell)["flavor"] == "medium", 60), daemon.log.read_text()
        assert daemon.end() == 0
    finally:
        daemon.process.kill()
        daemon.process.wait(60)


def waiting(shell: Shell) -> str:
    return shell.run("approve")
