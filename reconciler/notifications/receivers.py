"""Where notifications go: a file, an HTTP address, or a message bus."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

from reconciler.notifications.events import ERROR
from specs.settings import NotificationSettings

_SECONDS = 10.0
_SOURCE = "gitrove"

# Their words quote the address of the bus, which has a password.
for _library in ("oslo_messaging", "oslo.messaging", "amqp", "kombu"):
    logging.getLogger(_library).setLevel(logging.CRITICAL)


class Undelivered(Exception):
    """A receiver did not take it; the text says why, and has no secret."""


@dataclass(frozen=True, slots=True)
class Notification:
    """``number`` is its own for ever; ``at`` in seconds since the epoch."""

    number: int
    at: float
    type: str
    subject: str
    payload: Mapping[str, Any]

    @property
    def failed(self) -> bool:
        return self.type.endswith(f".{ERROR}")


class Receiver(Protocol):
    """Takes notifications. One may come twice, with the same number."""

    def take(self, batch: Sequence[Notification]) -> None:
        """Returns when all of them are safe there. Raises Undelivered."""


def receiver_of(settings: NotificationSettings, root: Path) -> Receiver:
    """Raises Undelivered where what it needs is not there."""
    if settings.driver == "file":
        return LogFile(root / str(settings.path))
    if settings.driver == "webhook":
        return Webhook(str(settings.url), _secret(settings.token_from_env))
    return MessageBus(_secret(settings.url_from_env), settings.topic)


def _secret(variable: str | None) -> str:
    value = os.environ.get(variable, "") if variable else ""
    if variable and not value:
        raise Undelivered(f"the environment variable {variable} is not set")
    return value


class LogFile:
    """A file of CloudEvents, one JSON document a line."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def take(self, batch: Sequence[Notification]) -> None:
        try:
            with self._path.open("ab") as file:
                file.writelines(cloud_event(each)[1] + b"\n" for each in batch)
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise Undelivered(f"{self._path}: {error.strerror}") from None


class Webhook:
    """An HTTP address that gets each CloudEvent by POST, with *token* as its bearer."""

    def __init__(self, url: str, token: str) -> None:
        self._url = url
        self._token = token

    def take(self, batch: Sequence[Notification]) -> None:
        import urllib3

        pool = urllib3.PoolManager(timeout=_SECONDS, retries=False)
        login = {"Authorization": f"Bearer {self._token}"} if self._token else {}
        for each in batch:
            headers, body = cloud_event(each)
            try:
                answer = pool.request("POST", self._url, body=body, headers=headers | login)
            except urllib3.exceptions.HTTPError as error:
                raise Undelivered(f"{self._url}: {type(error).__name__}") from None
            if not 200 <= answer.status < 300:
                raise Undelivered(f"{self._url} answers {answer.status}")


class MessageBus:
    """oslo.messaging's notifier: errors to ``TOPIC.error``, the rest to ``TOPIC.info``."""

    def __init__(self, url: str, topic: str) -> None:
        self._url = url
        self._topic = topic

    def take(self, batch: Sequence[Notification]) -> None:
        with self._notifier() as (notifier, faults):
            for each in batch:
                priority = notifier.error if each.failed else notifier.info
                priority({}, each.type, dict(each.payload) | {"message_number": each.number})
                if faults:
                    raise faults[0]

    @contextmanager
    def _notifier(self) -> Iterator[tuple[Any, list[Exception]]]:
        """The notifier, and what went wrong: it only logs that itself."""
        try:
            import oslo_messaging
        except ImportError:
            raise Undelivered("run: pip install 'gitrove[messaging]'") from None
        from oslo_config import cfg

        options = cfg.ConfigOpts()
        options([])
        try:
            transport = oslo_messaging.get_notification_transport(options, url=self._url)
            faults: list[Exception] = []
            send = transport._send_notification

            def noted(*arguments: Any, **options: Any) -> None:
                try:
                    send(*arguments, **options)
                except Exception as error:
                    faults.append(error)
                    raise

            transport._send_notification = noted
            try:
                notifier = oslo_messaging.Notifier(
                    transport,
                    publisher_id="gitrove",
                    driver="messagingv2",
                    topics=[self._topic],
                    retry=1,
                )
                yield notifier, faults
            finally:
                transport.cleanup()
        except Exception as error:  # noqa: BLE001
            # What the bus says quotes its address with the password.
            raise Undelivered(f"the message bus does not take it: {type(error).__name__}") from None


def cloud_event(notification: Notification) -> tuple[dict[str, str], bytes]:
    """Headers and body of its structured form (CloudEvents 1.0)."""
    from cloudevents.core.bindings.http import to_structured_event
    from cloudevents.core.v1.event import CloudEvent

    event = CloudEvent(
        {
            "id": str(notification.number),
            "source": _SOURCE,
            "type": notification.type,
            "subject": notification.subject,
            "specversion": "1.0",
            "time": datetime.fromtimestamp(notification.at, UTC),
            "datacontenttype": "application/json",
        },
        dict(notification.payload),
    )
    message = to_structured_event(event)
    return dict(message.headers), json.dumps(json.loads(message.body)).encode()
