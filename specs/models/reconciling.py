"""What the daemon may do by itself, and when: modes, maintenance windows, freezes."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Literal

from pydantic import Field, field_validator, model_validator

from specs.models.backup_schedule import known_zone, readable_cron
from specs.models.document import Model, Name

Mode = Literal["observe", "plan", "heal", "full"]
_UNITS = {"m": 60, "h": 3600, "d": 86_400}


def seconds_of(text: str) -> int:
    """How long ``90m``, ``4h`` or ``1d`` is. Raises ValueError."""
    if not re.fullmatch(r"[1-9]\d{0,4}[mhd]", text):
        raise ValueError(f'"{text}" is not a duration such as 90m, 4h or 1d')
    return int(text[:-1]) * _UNITS[text[-1]]


class Window(Model):
    """A time at which the databases may be interrupted."""

    cron: str = Field(description="When it begins: minute, hour, day, month, day of week.")
    duration: str = Field(description="How long it is, such as 90m, 4h or 1d.")
    time_zone: str = Field(default="UTC", description="Of the cron expression: Europe/Berlin.")

    _known_zone = field_validator("time_zone")(known_zone)
    _readable = field_validator("cron")(readable_cron)

    @field_validator("duration")
    @classmethod
    def _a_duration(cls, text: str) -> str:
        seconds_of(text)
        return text

    @property
    def seconds(self) -> int:
        return seconds_of(self.duration)


class Freeze(Model):
    """A time in which nothing changes; what breaks is still repaired."""

    begins: str = Field(description="With a zone, such as 2026-12-20T00:00:00Z.")
    ends: str = Field(description="With a zone, too.")
    reason: str = ""

    @field_validator("begins", "ends")
    @classmethod
    def _with_a_zone(cls, text: str) -> str:
        if datetime.fromisoformat(text).tzinfo is None:
            raise ValueError("the time needs a zone, such as Z or +02:00")
        return text

    @model_validator(mode="after")
    def _in_order(self) -> Freeze:
        if self.until <= self.since:
            raise ValueError("it ends before it begins")
        return self

    @property
    def since(self) -> float:
        return datetime.fromisoformat(self.begins).timestamp()

    @property
    def until(self) -> float:
        return datetime.fromisoformat(self.ends).timestamp()


class InstanceReconciling(Model):
    """What the daemon does with this instance, in place of what its project says."""

    mode: Mode | None = None
    suspend: bool = Field(default=False, description="Leave it alone, whatever happens to it.")


class ProjectReconciling(Model):
    """What the daemon does with a project, in place of what the repository says."""

    mode: Mode | None = None
    suspend: bool = False
    windows: list[Window] | None = None


class Reconciling(Model):
    """What the daemon does."""

    mode: Mode = Field(
        default="full",
        description=(
            "observe: look. plan: report what differs. heal: repair what differs from what was "
            "applied last; commits wait for gitrove sync. full: apply commits, too."
        ),
    )
    suspend: bool = Field(default=False, description="Change nothing at all.")
    interval: int = Field(
        default=60, ge=1, le=86_400, description="Seconds between looks for drift."
    )
    audit: int = Field(
        default=3600,
        ge=0,
        description="Seconds between trove.instance.exists and trove.quota; 0: none are told.",
    )
    windows: list[Window] = Field(
        default_factory=list,
        description="What interrupts a database waits for one; none: it may happen at any time.",
    )
    freezes: list[Freeze] = Field(default_factory=list)
    projects: dict[Name, ProjectReconciling] = Field(default_factory=dict)
    at_once: int = Field(default=4, ge=1, le=64, description="Projects changed at the same time.")
