"""Kind BackupSchedule: backups at times, for some instances, kept by rules."""

from __future__ import annotations

from typing import Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field, field_validator, model_validator

from specs.cron import BadCron, trigger_of
from specs.models.document import Document, Model, Name


def known_zone(name: str) -> str:
    """*name*, if it is a time zone. Raises ValueError."""
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(f'"{name}" is not a time zone such as Europe/Berlin') from None
    return name


def readable_cron(expression: str) -> str:
    """*expression*, if it is one of cron's. Raises ValueError."""
    try:
        trigger_of(expression)
    except BadCron as error:
        raise ValueError(f'"{expression}" is not a cron expression: {error}') from None
    return expression


class Retention(Model):
    """What is kept; a backup that no rule keeps is deleted. Without rules everything is kept.

    The newest complete backup always stays, and so does what a kept one builds on.
    """

    count: int | None = Field(default=None, ge=1, description="The newest so many.")
    days: int | None = Field(default=None, ge=1, description="Those of the last so many days.")
    daily: int | None = Field(default=None, ge=1, description="The last of so many days.")
    weekly: int | None = Field(default=None, ge=1, description="The last of so many weeks.")
    monthly: int | None = Field(default=None, ge=1, description="The last of so many months.")
    yearly: int | None = Field(default=None, ge=1, description="The last of so many years.")


class Targets(Model):
    """Instances of the same project: by name, by label, or both."""

    instances: list[Name] = Field(default_factory=list)
    labels: dict[str, str] = Field(
        default_factory=dict, description="Every instance with all of these labels."
    )

    @model_validator(mode="after")
    def _something(self) -> Targets:
        if not self.instances and not self.labels:
            raise ValueError("name instances or labels")
        return self


class BackupScheduleSpec(Model):
    """When, what, and how long it is kept."""

    cron: str = Field(description="Minute, hour, day of month, month, day of week.")
    time_zone: str = Field(default="UTC", description="Of the cron expression: Europe/Berlin.")
    targets: Targets
    full_every: int = Field(
        default=1,
        ge=1,
        description="Each so many-th backup is full, those between are incremental.",
    )
    jitter: int = Field(
        default=0,
        ge=0,
        le=86_400,
        description="Seconds over which the backups of many instances are spread.",
    )
    storage: Name | None = Field(
        default=None, description="One of backups.storages in gitrove.yaml; default: its own place."
    )
    retention: Retention = Retention()
    verify_every: int | None = Field(
        default=None,
        ge=1,
        description=(
            "Each so many-th backup is restored into a throw-away instance, which is removed again."
        ),
    )
    enabled: bool = True

    _known_zone = field_validator("time_zone")(known_zone)
    _readable = field_validator("cron")(readable_cron)


class BackupSchedule(Document):
    """Backups that the daemon takes at the times of a cron expression."""

    kind: Literal["BackupSchedule"]
    spec: BackupScheduleSpec
