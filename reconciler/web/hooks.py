"""What forges say when somebody pushed; believed only with the secret that they share with us.

GitHub and Gitea/Forgejo sign the body (HMAC-SHA256), GitLab sends the secret itself.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass

from reconciler.sources import Origin, Remote

_BRANCHES = "refs/heads/"


class BadHook(Exception):
    """It is not from whom it says, or not a push; the text says which."""


@dataclass(frozen=True, slots=True)
class Push:
    """``repositories``: the addresses by which the forge knows it."""

    repositories: frozenset[str]
    branch: str
    commit: str


def read(headers: Mapping[str, str], body: bytes, secret: str) -> Push | None:
    """The push that a request tells of; None for a ping, or what else forges say. Raises BadHook.

    *headers* are looked up whatever their case.
    """
    told = {name.lower(): value for name, value in headers.items()}
    if not _is_genuine(told, body, secret):
        raise BadHook("the signature is missing or wrong")
    try:
        payload = json.loads(body)
    except ValueError:
        raise BadHook("the body is not JSON; choose the content type application/json") from None
    if not isinstance(payload, dict) or not str(payload.get("ref", "")).startswith(_BRANCHES):
        return None
    repository = payload.get("repository") or {}
    project = payload.get("project") or {}
    keys = ("clone_url", "ssh_url", "git_http_url", "git_ssh_url", "html_url", "url")
    known = {str(each[key]) for each in (repository, project) for key in keys if each.get(key)}
    branch = str(payload["ref"]).removeprefix(_BRANCHES)
    return Push(frozenset(map(_plain, known)), branch, str(payload.get("after", "")))


def concerns(push: Push, origin: Origin) -> bool:
    """Whether a push is to what *origin* follows."""
    if not isinstance(origin, Remote):
        return False
    return _plain(origin.url) in push.repositories and origin.branch in ("", push.branch)


def _is_genuine(headers: Mapping[str, str], body: bytes, secret: str) -> bool:
    if "x-gitlab-token" in headers:
        return hmac.compare_digest(headers["x-gitlab-token"].encode(), secret.encode())
    signature = headers.get("x-hub-signature-256") or headers.get("x-gitea-signature", "")
    expected = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    given = signature.removeprefix("sha256=")
    return hmac.compare_digest(given.encode(), expected.encode())


def _plain(url: str) -> str:
    """``host/path``, whatever the way to it: by HTTP, by SSH, with a login or without."""
    plain = re.sub(r"^\w+://", "", url)
    plain = plain.rpartition("@")[2] if "@" in plain.split("/")[0] else plain
    plain = re.sub(r"^([^/:]+):(?!\d)", r"\1/", plain)
    return plain.removesuffix("/").removesuffix(".git").lower()
