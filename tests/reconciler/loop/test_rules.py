"""Modes, windows and freezes at a time."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from pydantic import ValidationError

from reconciler.loop.rules import Book, opening
from specs.desired import Address, Desired
from specs.models.reconciling import Freeze, Reconciling, Window


def at(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


NIGHT = Window(cron="0 22 * * *", duration="4h")


def test_a_window_is_open_from_its_beginning_to_its_end() -> None:
    assert opening([], at("2026-11-24T12:00:00")) == 0.0
    assert opening([NIGHT], at("2026-11-24T12:00:00")) == at("2026-11-24T22:00:00")
    assert opening([NIGHT], at("2026-11-24T22:00:00")) == 0.0
    assert opening([NIGHT], at("2026-11-25T01:59:59")) == 0.0
    assert opening([NIGHT], at("2026-11-25T02:00:00")) == at("2026-11-25T22:00:00")


def test_the_next_of_several_windows_counts_in_its_own_time_zone() -> None:
    sunday = Window(cron="0 3 * * SUN", duration="90m", time_zone="Europe/Berlin")
    noon = at("2026-11-28T23:30:00")
    assert opening([sunday], noon) == at("2026-11-29T02:00:00")
    assert opening([sunday, NIGHT], noon) == 0.0


def test_a_project_has_windows_in_place_of_the_repositorys() -> None:
    settings = Reconciling.model_validate(
        {
            "windows": [{"cron": "0 22 * * *", "duration": "4h"}],
            "projects": {"lab": {"windows": []}, "shop": {"suspend": True}},
        }
    )
    book = Book(settings, Desired(), {"ops"}, at("2026-11-24T12:00:00"))
    assert book.rules(Address("lab", "one")).opens == 0.0
    assert book.rules(Address("web", "one")).opens == at("2026-11-24T22:00:00")
    assert "shop.suspend" in book.rules(Address("shop", "one")).suspended
    assert "gitrove suspend" in book.rules(Address("ops", "one")).suspended


def test_a_freeze_lasts_from_its_beginning_to_its_end() -> None:
    freeze = Freeze(begins="2026-12-20T00:00:00Z", ends="2027-01-03T00:00:00Z")
    settings = Reconciling(freezes=[freeze])

    def frozen(text: str) -> str:
        return Book(settings, Desired(), (), at(text)).rules(Address("shop", "one")).frozen

    assert frozen("2026-12-20T00:00:00") == "frozen until 2027-01-03 00:00:00"
    assert not frozen("2026-12-19T23:59:59") and not frozen("2027-01-03T00:00:00")


@pytest.mark.parametrize(
    ("model", "fields", "text"),
    [
        (Window, {"cron": "0 22 * *", "duration": "4h"}, "not a cron expression"),
        (Window, {"cron": "0 22 * * *", "duration": "4 hours"}, "not a duration"),
        (Window, {"cron": "0 22 * * *", "duration": "4h", "timeZone": "Mars"}, "not a time zone"),
        (Freeze, {"begins": "2026-12-20T00:00:00", "ends": "2027-01-03T00:00:00Z"}, "needs a zone"),
        (Freeze, {"begins": "2027-12-20T00:00:00Z", "ends": "2027-01-03T00:00:00Z"}, "ends before"),
    ],
)
def test_what_cannot_be_meant_is_refused(model: type, fields: dict[str, str], text: str) -> None:
    with pytest.raises(ValidationError, match=text):
        model.model_validate(fields)  # type: ignore[attr-defined]
