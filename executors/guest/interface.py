"""What the control plane can ask of a guest."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Protocol

from executors.cloud.interface import Endpoint
from guest_agent.contract.report import Report


class Guests(Protocol):
    """The guests of one cloud. ``call`` raises Passing or Failed."""

    def observe(self, endpoints: Iterable[Endpoint]) -> dict[str, Report | None]:
        """Every guest's report by instance id, all asked at the same time; None: no answer."""
        ...

    def call(self, endpoint: Endpoint, method: str, **params: Any) -> Any: ...
