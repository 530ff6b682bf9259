"""The daemon's log: lines for people, or JSON for programs, each with what it is about."""

from __future__ import annotations

import json
import logging
import sys
import time
from collections.abc import Mapping
from types import MappingProxyType

from executors.engine import Entry, State

log = logging.getLogger("gitrove")

_STANDARD = set(logging.makeLogRecord({}).__dict__) | {"message", "asctime"}


class _Json(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        told = {
            "time": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
            + f".{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "message": record.getMessage(),
            "logger": record.name,
        }
        told |= {k: str(v) for k, v in record.__dict__.items() if k not in _STANDARD}
        if record.exc_info:
            told["exception"] = self.formatException(record.exc_info)
        return json.dumps(told)


def ended(entry: Entry, about: Mapping[str, str] = MappingProxyType({})) -> None:
    """Log that an action ended, and how; *about* has what else is known of it."""
    if entry.state is State.STARTED:
        return
    address, item = entry.action.address, entry.action.item
    told = {"resource": address, "step": type(entry.action.step).__name__}
    told |= {"state": str(entry.state), **about}
    why = f": {entry.message}" if entry.message else ""
    log.info("%s %s %s%s", entry.state, address, item, why, extra=told)


def begin(as_json: bool) -> None:
    """Log to stderr. What a record has as ``extra`` (run, commit, resource) is shown as JSON."""
    handler = logging.StreamHandler(sys.stderr)
    text = logging.Formatter("%(asctime)s %(levelname)s %(message)s")
    handler.setFormatter(_Json() if as_json else text)
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    logging.getLogger("apscheduler").setLevel(logging.ERROR)
    for quiet in ("waitress", "alembic"):
        logging.getLogger(quiet).setLevel(logging.WARNING)
