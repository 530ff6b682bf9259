"""One snapshot of cloud, guests and journal."""

from __future__ import annotations

from collections.abc import Collection

from executors.backups import catalogue
from executors.cloud import interface
from executors.cloud.interface import Cloud, Endpoint
from executors.guest.interface import Guests
from executors.storage.interface import Stores
from planners import observed as seen
from planners.observed import CloudState, Observed
from reconciler.journal.journal import Journal


def observe(
    cloud: Cloud,
    guests: Guests,
    journal: Journal,
    stores: Stores | None = None,
    projects: Collection[str] | None = None,
) -> Observed:
    """Ask everybody: the cloud once, the guests at the same time. Nothing changes by it.

    With *projects*, only their guests are asked.
    """
    state = cloud.observe()
    reports = guests.observe(endpoints(state, projects))
    backups, archives = catalogue(stores or {})
    return Observed(
        cloud=state,
        guests=reports,
        records=journal.records(),
        backups=backups,
        archives=archives,
    )


def endpoints(state: CloudState, projects: Collection[str] | None = None) -> list[Endpoint]:
    """The guests that could answer: those of managed servers that are on, of these *projects*."""
    servers = (s for s in state.servers if s.status == "ACTIVE")
    if projects is not None:
        servers = (s for s in servers if s.metadata.get(seen.PROJECT) in projects)
    return interface.endpoints(servers, state.ports)


def learn(journal: Journal, observed: Observed) -> None:
    """Let a journal that was lost know again which instances live."""
    living = {
        f"{server.metadata[seen.PROJECT]}/{server.metadata[seen.NAME]}": server.metadata[seen.ID]
        for server in observed.cloud.servers
        if (report := observed.guests.get(server.metadata.get(seen.ID, ""))) and report.prepared
    }
    known = observed.records
    news = {a: i for a, i in living.items() if a not in known or not known[a].active}
    if news:
        journal.learn(news)
