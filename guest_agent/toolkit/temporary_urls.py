"""A Swift container, reached by temporary URLs: no login of the cloud is in the guest.

Each grant allows one method on the objects whose names begin with its prefix,
until it expires (Swift's tempurl middleware, prefix-based temporary URLs).
"""

from __future__ import annotations

import hashlib
import logging
import time
from functools import cached_property
from typing import Any
from urllib.parse import quote, urlencode

from guest_agent.contract.errors import GuestError, TryLater
from guest_agent.toolkit.storage import Missing

_TRIES = 7
_FIRST_PAUSE = 0.5
_LONGEST_PAUSE = 20.0
_CONNECT_SECONDS, _READ_SECONDS = 10.0, 60.0
_PASSING = frozenset({408, 429, 499, 500, 502, 503, 504})
_DIGEST_DIFFERS = 422

# Its warnings quote URLs, which are secrets here.
logging.getLogger("urllib3").setLevel(logging.CRITICAL)


class TemporaryUrls:
    """See ``guest_agent.toolkit.storage.Storage``. What fails in passing is tried for a minute.

    *settings*: ``{"base": "https://…/v1/ACCOUNT/CONTAINER/", "grants": [{"method", "prefix",
    "expires", "signature"}]}``, times in seconds since the epoch.
    """

    def __init__(self, settings: dict[str, Any]) -> None:
        self._base = settings["base"]
        self._grants = settings["grants"]

    def put(self, name: str, data: bytes) -> None:
        # Swift refuses an object whose digest is another, such as one that was cut off.
        digest = hashlib.md5(data, usedforsecurity=False).hexdigest()
        status, _ = self._ask("PUT", name, data, {"ETag": digest})
        if status not in (200, 201):
            raise _error("be written", name, status)

    def get(self, name: str) -> bytes:
        status, data = self._ask("GET", name)
        if status == 404:
            raise Missing(f"the storage has no object {name}")
        if status != 200:
            raise _error("be read", name, status)
        return data

    def delete(self, name: str) -> None:
        status, _ = self._ask("DELETE", name)
        if status not in (200, 204, 404):
            raise _error("delete", name, status)

    def _ask(
        self,
        method: str,
        name: str,
        body: bytes | None = None,
        headers: dict[str, str] = {},  # noqa: B006
    ) -> tuple[int, bytes]:
        import urllib3

        url = f"{self._base}{quote(name)}?{urlencode(self._query(method, name))}"
        try:
            answer = self._pool.request(method, url, body=body, headers=headers)
        except urllib3.exceptions.HTTPError as error:
            # The error itself would tell the URL.
            reason = type(getattr(error, "reason", None) or error).__name__
            raise TryLater(f"the storage does not answer: {reason}: {name}") from None
        return answer.status, answer.data

    def _query(self, method: str, name: str) -> dict[str, str]:
        for grant in self._grants:
            if grant["method"] == method and name.startswith(grant["prefix"]):
                if grant["expires"] < time.time():
                    raise GuestError(f"the access to the storage has ended: {name}")
                return {
                    "temp_url_sig": grant["signature"],
                    "temp_url_expires": str(int(grant["expires"])),
                    "temp_url_prefix": grant["prefix"],
                }
        raise GuestError(f"this guest may not {method} {name} in the storage")

    @cached_property
    def _pool(self) -> Any:
        import urllib3

        retries = urllib3.Retry(
            total=_TRIES,
            backoff_factor=_FIRST_PAUSE,
            backoff_max=_LONGEST_PAUSE,
            retry_after_max=int(_READ_SECONDS),
            status_forcelist=[*_PASSING, _DIGEST_DIFFERS],
            # Every method here may be repeated.
            allowed_methods=None,
            redirect=False,
            raise_on_status=False,
        )
        timeout = urllib3.Timeout(connect=_CONNECT_SECONDS, read=_READ_SECONDS)
        return urllib3.PoolManager(retries=retries, timeout=timeout)


def _error(what: str, name: str, status: int) -> GuestError:
    if status in (401, 403):
        return GuestError(f"the storage refuses this guest ({status}): {name}")
    if status in (413, 507):
        return GuestError(f"the storage is full ({status}): {name}")
    kind = TryLater if status in _PASSING else GuestError
    return kind(f"the storage cannot {what} ({status}): {name}")
