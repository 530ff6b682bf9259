"""A Swift container. Guests get temporary URLs for their own objects, and no login."""

from __future__ import annotations

import hashlib
import hmac
import time
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from urllib.parse import quote, urlsplit

from executors.errors import ActionError, Passing
from executors.openstack_api import connected, errors
from executors.storage.interface import Access
from guest_agent.contract.errors import GuestError, TryLater
from guest_agent.toolkit.storage import Missing

_PAGE = 10_000
_RETRIES = 5
_PASSING = (408, 429, 499, 500, 502, 503, 504)
_KEYS = ("X-Container-Meta-Temp-URL-Key", "X-Container-Meta-Temp-URL-Key-2")


@dataclass(frozen=True)
class Container:
    """``cloud`` as clouds.yaml names it. ``url_key`` signs temporary URLs; it is a secret."""

    cloud: str
    region: str | None
    name: str
    url_key: str


class Swift:
    """See ``executors.storage.interface.Store``."""

    def __init__(self, container: Container) -> None:
        self._container = container
        self._ready = False

    def put(self, name: str, data: bytes) -> None:
        self._make_container()
        digest = hashlib.md5(data, usedforsecurity=False).hexdigest()
        answer = self._ask("PUT", name, data=data, headers={"ETag": digest})
        if answer.status_code not in (200, 201):
            raise _error(f"write {name}", answer)

    def get(self, name: str) -> bytes:
        answer = self._ask("GET", name)
        if answer.status_code == 404:
            raise Missing(f"the storage has no object {name}")
        if answer.status_code != 200:
            raise _error(f"read {name}", answer)
        return bytes(answer.content)

    def delete(self, name: str) -> None:
        answer = self._ask("DELETE", name)
        if answer.status_code not in (200, 204, 404):
            raise _error(f"delete {name}", answer)

    def names(self, prefix: str) -> list[str]:
        found: list[str] = []
        while True:
            query = {"prefix": prefix, "limit": str(_PAGE), "format": "json"}
            query |= {"marker": found[-1]} if found else {}
            answer = self._ask("GET", params=query)
            if answer.status_code == 404:
                return []
            if answer.status_code not in (200, 204):
                raise _error("be listed", answer)
            page = [each["name"] for each in answer.json()] if answer.content else []
            found += page
            if len(page) < _PAGE:
                return found

    def lent(self, access: Access) -> dict[str, Any]:
        self._make_container()
        self._register_key()
        base = f"{self._endpoint}/{quote(self._container.name)}/"
        expires = int(time.time() + access.seconds)
        kinds = {"GET": access.read, "PUT": access.write, "DELETE": access.delete}
        grants = [
            {
                "method": method,
                "prefix": prefix,
                "expires": expires,
                "signature": self._signature(method, expires, urlsplit(base).path + prefix),
            }
            for method, prefixes in kinds.items()
            for prefix in prefixes
        ]
        return {"driver": "temporary-urls", "base": base, "grants": grants}

    def _signature(self, method: str, expires: int, path: str) -> str:
        """See "Prefix-based temporary URLs" in Swift's manual of the tempurl middleware."""
        text = f"{method}\n{expires}\nprefix:{path}".encode()
        return hmac.new(self._container.url_key.encode(), text, hashlib.sha256).hexdigest()

    def _make_container(self) -> None:
        if not self._ready:
            answer = self._ask("PUT")
            if answer.status_code not in (200, 201, 202):
                raise _error(f"make the container {self._container.name}", answer)
            self._ready = True

    def _register_key(self) -> None:
        """Let Swift know the key; another control plane's may stand beside it."""
        answer = self._ask("HEAD")
        if answer.status_code not in (200, 204):
            raise _error("be asked for its keys", answer)
        present = [answer.headers.get(each, "") for each in _KEYS]
        if self._container.url_key in present:
            return
        if all(present):
            raise GuestError(
                f"the container {self._container.name} is used with two other control-plane "
                "keys; give this one a container of its own"
            )
        place = _KEYS[present.index("")]
        answer = self._ask("POST", headers={place: self._container.url_key})
        if answer.status_code not in (200, 202, 204):
            raise _error("be given a key", answer)

    def _ask(self, method: str, name: str = "", **query: Any) -> Any:
        path = "/".join(quote(each) for each in (self._container.name, name) if each)
        try:
            with errors("reach the storage"):
                return self._api.object_store.request(
                    f"{self._endpoint}/{path}",
                    method,
                    raise_exc=False,
                    connect_retries=_RETRIES,
                    status_code_retries=_RETRIES,
                    retriable_status_codes=_PASSING,
                    **query,
                )
        except ActionError as error:
            raise _as_storage_error(error) from None

    @cached_property
    def _api(self) -> Any:
        return connected(self._container.cloud, self._container.region, ())

    @cached_property
    def _endpoint(self) -> str:
        try:
            with errors("find the object-store service"):
                found = self._api.object_store.get_endpoint()
        except ActionError as error:
            raise _as_storage_error(error) from None
        if not found:
            raise GuestError("the cloud has no object-store service to keep backups in")
        return str(found).rstrip("/")


def _as_storage_error(error: ActionError) -> GuestError:
    kind = TryLater if isinstance(error, Passing) else GuestError
    return kind(error.message, error.details)


def _error(what: str, answer: Any) -> GuestError:
    kind = TryLater if answer.status_code in _PASSING else GuestError
    return kind(f"the storage cannot {what}: Swift answers {answer.status_code}")
