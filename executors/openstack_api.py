"""A session with an OpenStack by clouds.yaml, and its errors as those of actions."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from keystoneauth1.exceptions import ClientException
from openstack import exceptions
from openstack.config import OpenStackConfig
from openstack.connection import Connection

from executors import permit
from executors.errors import Failed, Passing

_CALL_SECONDS = 60
_BUSY = (409, 429)

# What they would say reaches people as the error of what was tried.
for _library in ("keystoneauth", "openstack"):
    logging.getLogger(_library).addHandler(logging.NullHandler())


def connected(cloud: str, region: str | None, services: Sequence[str]) -> Any:
    """A connection to *cloud* of clouds.yaml. Raises Failed, or Passing if a service is silent."""
    try:
        config = OpenStackConfig().get_one(cloud, region_name=region, api_timeout=_CALL_SECONDS)
    except exceptions.ConfigException as error:
        raise Failed(f"clouds.yaml: {error}") from None
    with errors("reach the cloud"):
        api: Any = Connection(config=config)
        api.session.request = _permitted(api.session.request)
        for name in services:
            service = getattr(api, name)
            # Where a service does not answer now, the SDK would guess its address, keep
            # it, and find nothing there: what exists would look as if it were gone.
            if service.get_api_major_version() is None:
                raise Passing(f"the {service.service_type} service does not tell its versions")
        return api


def _permitted(request: Callable[..., Any]) -> Callable[..., Any]:
    def asked(*arguments: Any, **options: Any) -> Any:
        permit.check()
        return request(*arguments, **options)

    return asked


@contextmanager
def errors(doing: str) -> Iterator[None]:
    """What the SDK raises, as the errors of actions."""
    try:
        yield
    except (exceptions.SDKException, ClientException) as error:
        raise _told(doing, error) from None


def named(find: Callable[..., Any], kind: str, name: str) -> Any:
    """The one thing of this *name*. Raises Failed for none and for several."""
    try:
        return find(name, ignore_missing=False)
    except exceptions.DuplicateResource:
        raise Failed(f'there is more than one {kind} "{name}"') from None
    except exceptions.NotFoundException:
        raise Failed(f'there is no {kind} "{name}"') from None


def _told(doing: str, error: Exception) -> Passing | Failed:
    status = getattr(error, "status_code", None) or getattr(error, "http_status", None) or 0
    words = str(getattr(error, "details", "") or error)
    # What requests and urllib3 add of their own is for their developers.
    text = f"cannot {doing}: {words.partition(': HTTPConnectionPool')[0]}"
    # A quota is a limit that a person has to raise, whatever its status is.
    over = "uota" in text or status == 413
    passing = status in _BUSY or status >= 500 or status == 0
    return Passing(text, wait=_retry_after(error)) if passing and not over else Failed(text)


def _retry_after(error: Exception) -> float:
    """The seconds that the service asked for (RFC 9110); 0 for none, and for a date."""
    headers = getattr(getattr(error, "response", None), "headers", None) or {}
    try:
        return max(0.0, float(headers.get("Retry-After", 0)))
    except ValueError:
        return 0.0
