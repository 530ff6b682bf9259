"""Forges are believed only with the secret, and only about what is followed."""

from __future__ import annotations

import hashlib
import hmac
import json
from pathlib import Path

import pytest

from reconciler.sources import Here, Remote
from reconciler.web.hooks import BadHook, concerns, read

SECRET = "hook secret"
GITHUB = {
    "ref": "refs/heads/main",
    "after": "c0ffee",
    "repository": {
        "clone_url": "https://host/team/specs.git",
        "ssh_url": "git@host:team/specs.git",
    },
}
GITLAB = {
    "ref": "refs/heads/main",
    "after": "c0ffee",
    "project": {
        "git_http_url": "https://host/team/specs.git",
        "git_ssh_url": "git@host:team/specs.git",
    },
}


def signed(body: bytes, secret: str = SECRET) -> str:
    return hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def test_each_forge_is_known_by_its_way_of_signing() -> None:
    body = json.dumps(GITHUB).encode()
    shapes = [
        ({"X-Hub-Signature-256": f"sha256={signed(body)}"}, body),
        ({"X-Gitea-Signature": signed(body)}, body),
        ({"X-Gitlab-Token": SECRET}, json.dumps(GITLAB).encode()),
    ]
    for headers, each in shapes:
        push = read(headers, each, SECRET)
        assert push is not None
        assert (push.branch, push.commit) == ("main", "c0ffee")
        assert push.repositories == {"host/team/specs"}


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"X-Hub-Signature-256": ""},
        {"X-Hub-Signature-256": "sha256=" + signed(json.dumps(GITHUB).encode(), "another")},
        {"X-Hub-Signature-256": "sha256=" + signed(b"another body")},
        {"X-Gitea-Signature": "nonsense\u00fc"},
        {"X-Gitlab-Token": "another"},
        {"X-Gitlab-Token": ""},
    ],
)
def test_who_does_not_know_the_secret_is_refused(headers: dict[str, str]) -> None:
    with pytest.raises(BadHook, match="signature"):
        read(headers, json.dumps(GITHUB).encode(), SECRET)


def test_pings_tags_and_nonsense_are_no_pushes() -> None:
    for payload in ({"zen": "Keep it logically awesome."}, {"ref": "refs/tags/v1"}, [], "x"):
        body = json.dumps(payload).encode()
        assert read({"X-Gitea-Signature": signed(body)}, body, SECRET) is None
    with pytest.raises(BadHook, match="not JSON"):
        read({"X-Gitea-Signature": signed(b"payload=%7B")}, b"payload=%7B", SECRET)


def test_a_push_concerns_who_follows_that_branch_by_whatever_address() -> None:
    body = json.dumps(GITHUB).encode()
    push = read({"X-Gitea-Signature": signed(body)}, body, SECRET)
    assert push is not None
    for url in (
        "https://host/team/specs.git",
        "https://token@host/team/specs",
        "git@host:team/specs.git",
        "ssh://git@host/team/specs.git",
    ):
        assert concerns(push, Remote(url, "main", "")) and concerns(push, Remote(url, "", "x"))
        assert not concerns(push, Remote(url, "prod", ""))
    assert not concerns(push, Remote("https://host/team/other.git", "main", ""))
    assert not concerns(push, Here(Path("/specs")))
