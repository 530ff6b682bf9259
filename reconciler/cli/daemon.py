"""``gitrove daemon``: keeps the databases what the repositories declare."""

from __future__ import annotations

import gc
import signal
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from reconciler.cli.shared import errors_explained, fail

if TYPE_CHECKING:
    from reconciler.journal.journal import Journal
    from reconciler.watching import Watch


class LogFormat(StrEnum):
    TEXT = "text"
    JSON = "json"


def daemon(
    sources: Annotated[
        list[str] | None,
        typer.Argument(
            help="Repositories to follow, as REPOSITORY[#BRANCH[:FOLDER]]: a folder here, whose "
            "HEAD is followed, or an address that Git can fetch from. Default: here or above."
        ),
    ] = None,
    interval: Annotated[
        float, typer.Option(min=0.1, help="Seconds between looks for new commits.")
    ] = 5.0,
    listen: Annotated[
        str,
        typer.Option(
            help="Serve the web page, /metrics, /healthz, /readyz and /hooks here, such as "
            "127.0.0.1:9187."
        ),
    ] = "",
    journal_url: Annotated[
        str,
        typer.Option(
            "--journal",
            envvar="GITROVE_JOURNAL",
            help="Default: what the first repository says; PostgreSQL lets several daemons share.",
        ),
    ] = "",
    lease: Annotated[
        float, typer.Option(min=1, help="Seconds until another daemon takes over from a dead one.")
    ] = 15.0,
    log_format: Annotated[LogFormat, typer.Option(help="How to log.")] = LogFormat.TEXT,
) -> None:
    """Apply commits, repair drift, take scheduled backups, and tell others, until stopped."""
    from reconciler import logs, tracing
    from reconciler.loop.daemon import Daemon

    # Unlike every other command, this one lives long enough to collect garbage.
    gc.enable()
    logs.begin(as_json=log_format is LogFormat.JSON)
    tracing.begin()
    with errors_explained():
        watches = _watches(sources or ["."])
        journal = _journal(watches, journal_url)
        _resume(watches, journal)
        running = Daemon(watches, journal, interval, lease)
        for each in (signal.SIGTERM, signal.SIGINT):
            signal.signal(each, lambda *_: running.ask_to_end())
        if listen:
            _serve(listen, running)
        running.start()
        running.wait()
        journal.close()


def _watches(sources: list[str]) -> list[Watch]:
    from reconciler.sources import parse
    from reconciler.watching import Watch

    watches = [Watch(parse(each)) for each in sources]
    names = [each.name for each in watches]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise fail(f"{twice} is named twice")
    return watches


def _journal(watches: list[Watch], url: str) -> Journal:
    from reconciler import places
    from reconciler.journal.journal import Journal

    first = watches[0].peek()
    places.make_home()
    if first is None and not url:
        hint = "name its journal with --journal to start without it"
        raise fail(f"{watches[0].problem}; {hint}")
    named = first.revision.settings.journal.url if first else None
    return Journal(url or named or places.journal_url(), notify=True)


def _resume(watches: list[Watch], journal: Journal) -> None:
    """Let each watch know which commit was in force when the last daemon ended."""
    from reconciler.journal.resources import Resources

    last = {each.name: each.revision for each in Resources(journal).sources()}
    for watch in watches:
        watch.begin_at(last.get(watch.name, ""))


def _serve(where: str, running: object) -> None:
    from reconciler.loop.daemon import Daemon
    from reconciler.web.server import serve

    assert isinstance(running, Daemon)
    try:
        serve(where, running)
    except (OSError, ValueError, OverflowError) as error:
        raise fail(f"cannot listen at {where}: {error}") from None
