"""Kind Quota: what one project may use."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from specs.models.document import Document, Model


class QuotaSpec(Model):
    """Limits; what is left out is not limited."""

    instances: int | None = Field(default=None, ge=0)
    volumes: int | None = Field(default=None, ge=0, description="GiB in all.")
    backups: int | None = Field(default=None, ge=0)


class Quota(Document):
    """A project's limits."""

    kind: Literal["Quota"]
    spec: QuotaSpec
