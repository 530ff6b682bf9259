"""The routes: pages that only show, and what machines ask for."""

from __future__ import annotations

import time
from typing import Any

from flask import Flask, Response, abort, render_template, request
from prometheus_client import CollectorRegistry, make_wsgi_app
from werkzeug.middleware.dispatcher import DispatcherMiddleware

from reconciler.loop.daemon import Daemon
from reconciler.metrics import DaemonCollector
from reconciler.moments import utc
from reconciler.web import hooks, pages
from specs.desired import Address

_MOST_BYTES = 5 << 20
"""Of a webhook's body; GitHub sends up to 25 MiB, of which the first commits are enough to us."""


def make_app(daemon: Daemon, secret: str) -> Flask:
    """The application; webhooks are taken only where there is a *secret* to know them by."""
    app = Flask(__name__)
    app.config["MAX_CONTENT_LENGTH"] = _MOST_BYTES
    app.jinja_env.filters["utc"] = lambda at: utc(at) if at else ""
    app.jinja_env.filters["ago"] = lambda at: pages.ago(time.time() - at) if at else ""
    registry = CollectorRegistry()
    registry.register(DaemonCollector(daemon, time.time))
    app.wsgi_app = DispatcherMiddleware(  # type: ignore[method-assign]
        app.wsgi_app, {"/metrics": make_wsgi_app(registry)}
    )
    _machines(app, daemon, secret)
    _people(app, daemon)
    return app


def _machines(app: Flask, daemon: Daemon, secret: str) -> None:
    @app.get("/healthz")
    def healthz() -> tuple[str, int]:
        return ("ok\n", 200) if daemon.is_alive else ("the loop has stopped\n", 503)

    @app.get("/readyz")
    def readyz() -> tuple[str, int]:
        return ("ok\n", 200) if daemon.is_ready else ("not every repository was read yet\n", 503)

    @app.post("/hooks")
    def hook() -> tuple[str, int]:
        if not secret:
            return "webhooks are off: the daemon has no GITROVE_WEBHOOK_SECRET\n", 403
        try:
            push = hooks.read(dict(request.headers), request.get_data(), secret)
        except hooks.BadHook as error:
            return f"{error}\n", 403
        if push is None:
            return "nothing was pushed\n", 202
        woken = [f for f in daemon.followers if hooks.concerns(push, f.watch.origin)]
        for follower in woken:
            daemon.wake(follower)
        return f"{len(woken)} repositories are looked at\n", 202


def _people(app: Flask, daemon: Daemon) -> None:
    @app.after_request
    def closed(response: Response) -> Response:
        # Nothing is loaded from elsewhere, and nobody may put the page into theirs.
        policy = "default-src 'none'; style-src 'self' 'unsafe-inline'; frame-ancestors 'none'"
        response.headers["Content-Security-Policy"] = policy
        response.headers["X-Content-Type-Options"] = "nosniff"
        return response

    def page(template: str, **shown: Any) -> str:
        return render_template(template, holder=daemon.holder, **shown)

    @app.get("/")
    def fleet() -> str:
        query, number = request.args.get("q", ""), request.args.get("page", 1, type=int)
        return page("fleet.html", **pages.fleet(daemon, query, number))

    @app.get("/resources/<project>/<name>")
    def resource(project: str, name: str) -> str:
        shown = pages.resource(daemon, Address(project, name))
        return page("resource.html", **shown) if shown else abort(404)

    @app.get("/runs")
    def runs() -> str:
        return page("runs.html", runs=daemon.journal.runs(100))

    @app.get("/runs/<run>")
    def run(run: str) -> str:
        shown = pages.run(daemon, run)
        return page("run.html", **shown) if shown else abort(404)
