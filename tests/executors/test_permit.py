"""The right to act is asked for before each effect, and is each thread's own."""

from __future__ import annotations

import threading

import pytest

from executors import permit
from executors.cloud.interface import Endpoint
from executors.errors import Passing, Refused
from executors.guest.client import SealedGuests
from tests.support.worlds import KEY


def refuse() -> None:
    raise Refused("another has the lease")


def test_it_holds_in_its_thread_until_its_body_ends() -> None:
    permit.check()
    elsewhere: list[bool] = []

    def other() -> None:
        permit.check()
        elsewhere.append(True)

    with permit.acting_by(refuse):
        with permit.acting_by(permit.free):
            permit.check()
        thread = threading.Thread(target=other)
        thread.start()
        thread.join()
        with pytest.raises(Refused):
            permit.check()
    permit.check()
    assert elsewhere == [True]


def test_a_guest_gets_no_order_without_it() -> None:
    nowhere, guests = Endpoint("i", "127.0.0.1", "salt"), SealedGuests(KEY)
    with pytest.raises(Passing):
        guests.call(nowhere, "ping")
    with permit.acting_by(refuse), pytest.raises(Refused):
        guests.call(nowhere, "ping")
