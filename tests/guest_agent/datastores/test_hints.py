"""Which archived files a restore from a backup needs, by each datastore's names."""

from __future__ import annotations

import pytest

from guest_agent.datastores.mariadb import hints as mariadb
from guest_agent.datastores.postgresql import hints as postgresql


@pytest.mark.parametrize(
    ("name", "needed"),
    [("binlog.000009", False), ("binlog.000010", True), ("binlog.1000000", True)],
)
def test_binary_logs_are_compared_by_number(name: str, needed: bool) -> None:
    assert mariadb.needs(name, {"binlog": "binlog.000010", "binlog_position": "4"}) is needed


@pytest.mark.parametrize(
    ("name", "needed"),
    [
        ("000000010000000000000003", False),
        ("000000010000000000000004", True),
        ("000000020000000000000003", False),
        ("000000020000000000000005", True),
        ("000000010000000100000000", True),
        ("00000002.history", True),
    ],
)
def test_segments_are_compared_without_their_timeline(name: str, needed: bool) -> None:
    assert postgresql.needs(name, {"start": "0/4000028"}) is needed


def test_a_position_after_the_first_four_gigabytes() -> None:
    assert postgresql.segment("1A/FF000028") == "0000001A000000FF"
