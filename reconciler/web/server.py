"""Serves the daemon's page in threads of its own."""

from __future__ import annotations

import logging
import os
import threading

from waitress import create_server

from reconciler.loop.daemon import Daemon
from reconciler.web.app import make_app

log = logging.getLogger("gitrove")

SECRET = "GITROVE_WEBHOOK_SECRET"  # noqa: S105 - the name of the variable that has it


def serve(where: str, daemon: Daemon) -> str:
    """Listen at *where* (``HOST:PORT``) until the process ends. Raises OSError, ValueError.

    The address that it has, with the port that was given for port 0.
    """
    host, _, port = where.rpartition(":")
    app = make_app(daemon, os.environ.get(SECRET, ""))
    server = create_server(app, host=host or "127.0.0.1", port=int(port), threads=8)
    threading.Thread(target=server.run, daemon=True, name="web").start()
    address = f"http://{server.effective_host}:{server.effective_port}"
    log.info("listening at %s", address)
    return address
