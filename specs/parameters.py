"""One configuration parameter: its type and bounds, and the canonical form of its values."""

from __future__ import annotations

import re
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

Kind = Literal["integer", "float", "boolean", "enum", "set", "string"]
_QUANTITY = re.compile(r"\s*([-+]?[0-9]+(?:\.[0-9]+)?)\s*([a-zA-Z]*)\s*")
_UNIT = re.compile(r"([0-9]*)([a-zA-Z]+)")
_TRUE = {"on", "yes", "true", "1"}
_FALSE = {"off", "no", "false", "0"}


class BadValue(ValueError):
    """The value does not fit the parameter; the text says why."""


class Parameter(BaseModel):
    """A parameter as versioned data; ``unit`` is what a bare number counts (``8kB``, ``ms``)."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", alias_generator=to_camel, populate_by_name=True
    )

    name: str
    type: Kind
    default: str
    aliases: list[str] = Field(default_factory=list)
    min: float | int | None = None
    max: float | int | None = None
    multiple_of: int = 1
    values: list[str] = Field(default_factory=list)
    unit: str = ""
    apply: Literal["live", "restart"] = "live"
    control: Literal["user", "guest"] = "user"
    until: str = ""
    replaced_by: str = ""

    def canonical(
        self,
        value: Any,
        booleans: dict[str, str],
        units: dict[str, float],
        times: dict[str, float],
    ) -> str:
        """*value* as the server shows it. Raises BadValue."""
        if self.type == "boolean":
            return booleans[_truth(value)]
        if isinstance(value, bool):
            value = booleans["true" if value else "false"]
        if self.type == "integer":
            number = round(self._number(value, units, times))
            return str(self._bounded(number - number % self.multiple_of))
        if self.type == "float":
            return f"{self._bounded(self._number(value, units, times)):.10g}"
        if self.type == "enum":
            return self._choice(str(value))
        return str(value)

    def _number(self, value: Any, units: dict[str, float], times: dict[str, float]) -> float:
        if isinstance(value, int | float):
            return value
        match = _QUANTITY.fullmatch(str(value))
        if not match:
            raise BadValue(f'"{value}" is not a number')
        number = float(match[1]) if "." in match[1] else int(match[1])
        if not match[2]:
            return number
        scale = next((t for t in (units, times) if _find(match[2], t)), None)
        own = _UNIT.fullmatch(self.unit)
        if scale is None or own is None:
            suffixes = ", ".join([*units, *times]) if self.unit else "none"
            raise BadValue(f'"{value}" has a unit that does not fit; units here: {suffixes}')
        base = int(own[1] or 1) * (_find(own[2], scale) or 1)
        return number * (_find(match[2], scale) or 1) / base

    def _bounded(self, number: float) -> float:
        if (self.min is not None and number < self.min) or (
            self.max is not None and number > self.max
        ):
            raise BadValue(f"{number} is out of bounds; it must be {self.min} to {self.max}")
        return number

    def _choice(self, value: str) -> str:
        for index, choice in enumerate(self.values):
            if value.lower() == choice.lower() or value == str(index):
                return choice
        truth = {"true": ("on", "yes"), "false": ("off", "no")}.get(value.lower(), ())
        for choice in self.values:
            if choice.lower() in truth:
                return choice
        raise BadValue(f'"{value}" is none of {", ".join(self.values)}')


def _truth(value: Any) -> str:
    word = str(value).lower()
    if word in _TRUE:
        return "true"
    if word in _FALSE:
        return "false"
    raise BadValue(f'"{value}" is neither true nor false')


def _find(suffix: str, table: dict[str, float]) -> float | None:
    if suffix in table:
        return table[suffix]
    folded = {key.lower(): size for key, size in table.items()}
    return folded.get(suffix.lower())
