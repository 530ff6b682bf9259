"""Two pieces with one identity stop everything that could touch either."""

from __future__ import annotations

import msgspec

from planners.passes.ambiguity import ambiguous
from specs.desired import Address
from tests.support.cases import found, summary

ONE = Address("shop", "one")


def test_one_of_each_is_clear() -> None:
    assert summary(ambiguous(ONE, found())) == []


def test_every_piece_that_is_there_twice_is_named() -> None:
    pieces = found()
    twin = msgspec.structs.replace(pieces.servers[0], id="s2")
    pieces.servers.append(twin)
    pieces.volumes.append(msgspec.structs.replace(pieces.volumes[0], id="v2"))
    servers, volumes = summary(ambiguous(ONE, pieces))
    assert "2 servers carry its identity: s, s2" in servers
    assert "2 volumes of the kind data carry its identity: v, v2" in volumes
