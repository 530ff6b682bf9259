"""Several regions of one cloud as one: listed together, each piece changed where it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from operator import methodcaller

import msgspec

from executors.cloud.interface import Boot, Cloud, Disk, Endpoint, Identity, Machine
from planners.observed import Catalogue, CloudState
from planners.steps import Pieces

_PIECES = ("servers", "volumes", "ports", "groups", "floating")


class Regions:
    """The cloud; see ``executors.cloud.interface``. The *first* has what names no region."""

    def __init__(self, first: Cloud, further: Mapping[str, Cloud]) -> None:
        self._clouds = {"": first, **further}
        self.boot_seconds = max(each.boot_seconds for each in self._clouds.values())
        self._region_of: dict[str, str] = {}

    def observe(self) -> CloudState:
        with ThreadPoolExecutor(len(self._clouds), "region") as pool:
            states = dict(
                zip(
                    self._clouds,
                    pool.map(methodcaller("observe"), self._clouds.values()),
                    strict=True,
                )
            )
        pieces = {
            # Regions can share a service, which then lists the pieces of both in each.
            kind: [
                piece
                for region, state in states.items()
                for piece in getattr(state, kind)
                if piece.region == region
            ]
            for kind in _PIECES
        }
        self._region_of = {piece.id: piece.region for kind in pieces.values() for piece in kind}
        further = {region: _catalogue(state) for region, state in states.items() if region}
        state: CloudState = msgspec.structs.replace(states[""], further_regions=further, **pieces)
        return state

    def endpoint(self, instance: str) -> Endpoint | None:
        found = (cloud.endpoint(instance) for cloud in self._clouds.values())
        return next((each for each in found if each is not None), None)

    def allow_access(self, identity: Identity, database: int, cidrs: Sequence[str]) -> None:
        self._clouds[identity.region].allow_access(identity, database, cidrs)

    def delete_group(self, group: str) -> None:
        self._holding(group).delete_group(group)

    def assign_floating(self, identity: Identity, network: str) -> None:
        self._clouds[identity.region].assign_floating(identity, network)

    def release_floating(self, floating: str) -> None:
        self._holding(floating).release_floating(floating)

    def create_port(self, identity: Identity, address: str = "") -> None:
        self._clouds[identity.region].create_port(identity, address)

    def delete_port(self, port: str) -> None:
        self._holding(port).delete_port(port)

    def create_volume(self, identity: Identity, disk: Disk) -> None:
        self._clouds[identity.region].create_volume(identity, disk)

    def extend_volume(self, volume: str, size: int) -> None:
        self._holding(volume).extend_volume(volume, size)

    def delete_volume(self, volume: str) -> None:
        self._holding(volume).delete_volume(volume)

    def adopt(self, identity: Identity, held: Pieces, metadata: Mapping[str, str]) -> None:
        self._clouds[identity.region].adopt(identity, held, metadata)

    def create_server(self, identity: Identity, machine: Machine, boot: Boot) -> None:
        self._clouds[identity.region].create_server(identity, machine, boot)

    def rebuild_server(self, server: str, image: str, boot: Boot) -> None:
        self._holding(server).rebuild_server(server, image, boot)

    def start_server(self, server: str) -> None:
        self._holding(server).start_server(server)

    def resize_server(self, server: str, flavor: str) -> None:
        self._holding(server).resize_server(server, flavor)

    def confirm_resize(self, server: str) -> None:
        self._holding(server).confirm_resize(server)

    def revert_resize(self, server: str) -> None:
        self._holding(server).revert_resize(server)

    def set_metadata(self, server: str, key: str, value: str) -> None:
        self._holding(server).set_metadata(server, key, value)

    def delete_server(self, server: str) -> None:
        self._holding(server).delete_server(server)

    def _holding(self, piece: str) -> Cloud:
        """The region that holds the piece with this id; the first for one that is gone."""
        if piece not in self._region_of:
            self.observe()
        return self._clouds[self._region_of.get(piece, "")]


def _catalogue(state: CloudState) -> Catalogue:
    fields = Catalogue.__struct_fields__
    return Catalogue(**{name: getattr(state, name) for name in fields})
