"""Who signed what: commits by Git, plans by ``ssh-keygen -Y`` (ssh-keygen(1)) or GPG.

Whom to believe is in files that the operator keeps: an ``allowed_signers`` file
for SSH keys, a file of public keys for GPG. A signature is believed only by
these, whatever keys the user has who runs gitrove.
"""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

NAMESPACE = "gitrove-plan"
_SECONDS = 60
_PGP = "-----BEGIN PGP SIGNATURE-----"
_NOT_BELIEVED = "the signature is not one of this plan by anybody who is trusted"


class BadSignature(Exception):
    """It is missing, wrong, or by somebody who is not trusted; the text says which."""


@dataclass(frozen=True, slots=True)
class Trust:
    """The content of both files; empty where there is none."""

    allowed_signers: bytes = b""
    keys: bytes = b""


def commit_signer(repository: Path, commit: str, trust: Trust) -> str:
    """Who signed *commit*: the principal of an SSH key, or the fingerprint of a GPG key.

    Raises BadSignature.
    """
    with _trusted(trust) as (signers, environment):
        command = ["git", "-c", f"gpg.ssh.allowedSignersFile={signers}", "-C", str(repository)]
        command += ["log", "-1", "--format=%G?%n%GS%n%GF%n%GP", commit]
        told = subprocess.run(
            command, capture_output=True, text=True, env=environment, timeout=_SECONDS, check=False
        )
    verdict, signer, key, primary = (told.stdout.splitlines() + [""] * 4)[:4]
    if verdict == "N":
        raise BadSignature(f"{commit[:12]} is not signed")
    # GPG calls a key "of unknown validity" that nobody vouched for in a web of trust; being in
    # the operator's file is what counts here.
    if verdict not in ("G", "U") or (verdict == "U" and key.startswith("SHA256:")):
        raise BadSignature(f"{commit[:12]} has no signature of anybody who is trusted")
    return signer if key.startswith("SHA256:") else primary or key


def plan_signer(digest: str, signature: str, trust: Trust) -> str:
    """The principal whose SSH key signed a plan's *digest*, or the fingerprint of the GPG key.

    Raises BadSignature.
    """
    with _trusted(trust) as (signers, environment), tempfile.NamedTemporaryFile("w") as given:
        given.write(signature)
        given.flush()
        if signature.startswith(_PGP):
            if fingerprint := _verified_by_gpg(digest, given.name, environment):
                return fingerprint
            raise BadSignature(_NOT_BELIEVED)
        options = ["-f", str(signers), "-s", given.name]
        found = _keygen(["find-principals", *options], "", environment)
        for principal in found.splitlines():
            verify = ["verify", *options, "-I", principal, "-n", NAMESPACE]
            if _keygen(verify, digest, environment):
                return principal
    raise BadSignature(_NOT_BELIEVED)


def sign_plan(digest: str, key: str) -> str:
    """A signature of a plan's *digest* with the SSH key in the file *key*, else the GPG key *key*.

    Raises BadSignature.
    """
    path = Path(key).expanduser()
    if path.exists():
        command = ["ssh-keygen", "-Y", "sign", "-q", "-n", NAMESPACE, "-f", str(path)]
        given = digest
    else:
        command = ["gpg", "--quiet", "--armor", "--detach-sign", "--local-user", key]
        given = _as_signed_by_gpg(digest)
    try:
        told = subprocess.run(command, input=given, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise BadSignature(f"{command[0]} is not installed") from None
    if told.returncode:
        raise BadSignature(f"{command[0]} cannot sign with {key}: {told.stderr.strip()}")
    return told.stdout


def _verified_by_gpg(digest: str, signature: str, environment: dict[str, str]) -> str:
    """The fingerprint of the primary key, which VALIDSIG names last (GnuPG, doc/DETAILS)."""
    told = subprocess.run(
        ["gpg", "--batch", "--status-fd", "1", "--verify", signature, "-"],
        input=_as_signed_by_gpg(digest),
        capture_output=True,
        text=True,
        env=environment,
        timeout=_SECONDS,
        check=False,
    )
    # A signature by a key that has expired or was revoked is valid, and not good.
    good = re.search(r"^\[GNUPG:\] GOODSIG ", told.stdout, re.MULTILINE)
    valid = re.search(r"^\[GNUPG:\] VALIDSIG .* (\w+)$", told.stdout, re.MULTILINE)
    return valid[1] if good and valid and told.returncode == 0 else ""


def _as_signed_by_gpg(digest: str) -> str:
    """GPG's signatures have no namespace: what is signed says itself what it is."""
    return f"{NAMESPACE} {digest}"


def _keygen(arguments: list[str], given: str, environment: dict[str, str]) -> str:
    told = subprocess.run(
        ["ssh-keygen", "-Y", *arguments],
        input=given,
        capture_output=True,
        text=True,
        env=environment,
        timeout=_SECONDS,
        check=False,
    )
    return told.stdout if told.returncode == 0 else ""


@contextmanager
def _trusted(trust: Trust) -> Iterator[tuple[Path, dict[str, str]]]:
    """The allowed signers as a file, and an environment in which GPG knows only those keys."""
    with tempfile.TemporaryDirectory(prefix="gitrove-") as folder:
        signers, home = Path(folder) / "allowed_signers", Path(folder) / "gnupg"
        signers.write_bytes(trust.allowed_signers)
        home.mkdir(mode=0o700)
        environment = {**os.environ, "GNUPGHOME": str(home), "LC_ALL": "C"}
        try:
            if trust.keys:
                command = ["gpg", "--batch", "--quiet", "--import"]
                subprocess.run(
                    command,
                    input=trust.keys,
                    capture_output=True,
                    env=environment,
                    timeout=_SECONDS,
                    check=False,
                )
            yield signers, environment
        finally:
            if trust.keys:
                kill = ["gpgconf", "--kill", "all"]
                subprocess.run(kill, capture_output=True, env=environment, check=False)


def is_digest(text: str) -> bool:
    """Whether *text* can be the beginning of a plan's digest."""
    return bool(re.fullmatch(r"[0-9a-f]{6,64}", text))
