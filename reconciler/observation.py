"""One snapshot of cloud, guests and journal."""

from __future__ import annotations

from collections.abc import Collection
from typing import TypeVar

import msgspec

from executors.backups import catalogue
from executors.cloud import interface
from executors.cloud.interface import Cloud, Endpoint
from executors.guest.interface import Guests
from executors.storage.interface import Stores
from planners import observed as seen
from planners.observed import CloudState, FloatingAddress, Group, Observed, Port, Server, Volume
from reconciler.journal.journal import Journal

_Piece = TypeVar("_Piece", Server, Volume, Port, Group, FloatingAddress)


def observe(
    cloud: Cloud,
    guests: Guests,
    journal: Journal,
    stores: Stores | None = None,
    projects: Collection[str] | None = None,
) -> Observed:
    """Ask everybody: the cloud once, the guests at the same time. Nothing changes by it.

    With *projects*, only they are looked at further, and only their guests are asked.
    """
    state = cloud.observe()
    if projects is not None:
        state = _only(state, projects)
    reports = guests.observe(endpoints(state))
    backups, archives = catalogue(stores or {})
    return Observed(
        cloud=state,
        guests=reports,
        records=journal.records(),
        backups=backups,
        archives=archives,
    )


def _only(state: CloudState, projects: Collection[str]) -> CloudState:
    """*state* with the pieces of these *projects* alone."""

    def of(pieces: list[_Piece]) -> list[_Piece]:
        return [each for each in pieces if each.metadata.get(seen.PROJECT) in projects]

    return msgspec.structs.replace(
        state,
        servers=of(state.servers),
        volumes=of(state.volumes),
        ports=of(state.ports),
        groups=of(state.groups),
        floating=of(state.floating),
    )


def endpoints(state: CloudState) -> list[Endpoint]:
    """The guests that could answer: those of managed servers that are on."""
    return interface.endpoints((s for s in state.servers if s.status == "ACTIVE"), state.ports)


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
