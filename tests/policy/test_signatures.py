"""Real commits and plans, signed by real SSH and GPG keys, known and unknown."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from policy.signatures import BadSignature, Trust, commit_signer, plan_signer, sign_plan
from tests.support.signing import GpgKey, SshKey, signed_commit


@pytest.fixture(scope="module")
def alice(tmp_path_factory: pytest.TempPathFactory) -> SshKey:
    return SshKey.make(tmp_path_factory.mktemp("alice"), "alice@example.org")


@pytest.fixture(scope="module")
def mallory(tmp_path_factory: pytest.TempPathFactory) -> SshKey:
    return SshKey.make(tmp_path_factory.mktemp("mallory"), "alice@example.org")


@pytest.fixture(scope="module")
def carol() -> Iterator[GpgKey]:
    with GpgKey("Carol <carol@example.org>") as key:
        yield key


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    return tmp_path


def test_an_ssh_key_is_known_by_its_principal(repository: Path, alice: SshKey) -> None:
    commit = signed_commit(repository, alice)
    trust = Trust(allowed_signers=alice.allowed.encode())
    assert commit_signer(repository, commit, trust) == "alice@example.org"


def test_a_gpg_key_is_known_by_its_fingerprint(repository: Path, carol: GpgKey) -> None:
    commit = signed_commit(repository, carol)
    trust = Trust(keys=carol.public)
    assert commit_signer(repository, commit, trust) == carol.fingerprint
    with pytest.raises(BadSignature, match="anybody who is trusted"):
        commit_signer(repository, commit, Trust())


def test_unsigned_strange_and_altered_commits_are_refused(
    repository: Path, alice: SshKey, mallory: SshKey
) -> None:
    trust = Trust(allowed_signers=alice.allowed.encode())
    with pytest.raises(BadSignature, match="is not signed"):
        commit_signer(repository, signed_commit(repository, None), trust)
    with pytest.raises(BadSignature, match="anybody who is trusted"):
        commit_signer(repository, signed_commit(repository, mallory), trust)
    good = signed_commit(repository, alice)
    raw = subprocess.run(
        ["git", "-C", str(repository), "cat-file", "commit", good], capture_output=True, check=True
    )
    altered = subprocess.run(
        ["git", "-C", str(repository), "hash-object", "-t", "commit", "-w", "--stdin"],
        input=raw.stdout.replace(b"\nchange", b"\nanother"),
        capture_output=True,
        check=True,
    )
    with pytest.raises(BadSignature):
        commit_signer(repository, altered.stdout.decode().strip(), trust)


def test_an_approval_is_of_one_plan(alice: SshKey, mallory: SshKey) -> None:
    trust = Trust(allowed_signers=alice.allowed.encode())
    signature = sign_plan("d" * 64, str(alice.path))
    assert plan_signer("d" * 64, signature, trust) == "alice@example.org"
    for digest, given in (
        ("e" * 64, signature),
        ("d" * 64, sign_plan("d" * 64, str(mallory.path))),
        ("d" * 64, "nonsense"),
        ("d" * 64, ""),
    ):
        with pytest.raises(BadSignature):
            plan_signer(digest, given, trust)
    with pytest.raises(BadSignature, match="cannot sign with"):
        sign_plan("d" * 64, "nobody@example.org")


def test_an_approval_can_be_signed_by_gpg(monkeypatch: pytest.MonkeyPatch) -> None:
    with GpgKey("Carol <carol@example.org>") as carol, GpgKey("Mallory <m@localhost>") as mallory:
        signatures = {}
        for key in (carol, mallory):
            monkeypatch.setenv("GNUPGHOME", key.environment["GNUPGHOME"])
            signatures[key.fingerprint] = sign_plan("d" * 64, key.fingerprint)
        monkeypatch.delenv("GNUPGHOME")
        trust = Trust(keys=carol.public)
        good = signatures[carol.fingerprint]
        assert plan_signer("d" * 64, good, trust) == carol.fingerprint
        for digest, given, believed in (
            ("e" * 64, good, trust),
            ("d" * 64, signatures[mallory.fingerprint], trust),
            ("d" * 64, good, Trust()),
            ("d" * 64, good[:60], trust),
        ):
            with pytest.raises(BadSignature):
                plan_signer(digest, given, believed)


def test_a_signature_of_gpg_counts_only_while_its_key_does() -> None:
    with GpgKey("Carol <carol@example.org>") as carol:
        environment = {**os.environ, **carol.environment}

        def gpg(*arguments: str, given: str = "") -> str:
            command = ["gpg", "--batch", "--quiet", *arguments]
            done = subprocess.run(
                command, input=given, env=environment, capture_output=True, text=True, check=True
            )
            return done.stdout

        signature = gpg("--armor", "--detach-sign", given=f"gitrove-plan {'d' * 64}")
        assert plan_signer("d" * 64, signature, Trust(keys=carol.public)) == carol.fingerprint
        (revocation,) = Path(environment["GNUPGHOME"]).glob("openpgp-revocs.d/*.rev")
        gpg("--import", given=revocation.read_text().replace(":-----BEGIN", "-----BEGIN"))
        revoked = Trust(keys=gpg("--armor", "--export").encode())
        with pytest.raises(BadSignature):
            plan_signer("d" * 64, signature, revoked)
