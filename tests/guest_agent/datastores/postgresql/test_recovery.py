"""A server that ends while it is asked is not ready; that is no defect."""

from __future__ import annotations

from typing import Any

import psycopg2

from guest_agent.contract.errors import GuestError
from guest_agent.datastores.postgresql.recovery import answers, holds


class Session:
    def __init__(self, fault: Exception | None = None) -> None:
        self._fault = fault

    def rows(self, _query: str) -> list[tuple[int]]:
        if self._fault:
            raise self._fault
        return [(1,)]

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *_: object) -> None: ...


def test_it_ends_before_between_or_while_it_is_asked() -> None:
    def no_session() -> Any:
        raise psycopg2.OperationalError("the database system is shutting down")

    assert not answers(no_session)
    assert not holds(lambda _: True, no_session)
    for fault in (psycopg2.OperationalError("gone"), GuestError("refused")):
        assert not answers(lambda fault=fault: Session(fault))  # type: ignore[misc]


def test_it_answers_and_the_condition_decides() -> None:
    def session() -> Any:
        return Session()

    assert answers(session) and holds(lambda _: True, session)
    assert not holds(lambda _: False, session)
