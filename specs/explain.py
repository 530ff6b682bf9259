"""What a field means, from the models themselves: ``Instance.spec.volume``."""

from __future__ import annotations

import types
import typing
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from specs.models import KINDS
from specs.problems import suggestion
from specs.settings import Settings
from specs.validation import model_in


class NoSuchField(Exception):
    """The path leads nowhere; the text says where it ends."""


@dataclass(frozen=True, slots=True)
class Field:
    """One field: its YAML name, a readable type, whether it must be there, what it means."""

    name: str
    type: str
    required: bool
    default: str
    description: str


@dataclass(frozen=True, slots=True)
class Explanation:
    """What stands at a path: a description, and the fields below it."""

    path: str
    type: str
    description: str
    fields: tuple[Field, ...]


def explain(path: str) -> Explanation:
    """Raises NoSuchField."""
    kinds: dict[str, type[BaseModel]] = {**KINDS, "Settings": Settings}
    kind, *steps = path.split(".")
    if kind not in kinds:
        raise NoSuchField(f'no kind "{kind}"{suggestion(kind, kinds)}')
    model: type[BaseModel] | None = kinds[kind]
    described, shown = _doc(kinds[kind]), kind
    for step in steps:
        known = {f.alias or n: f for n, f in model.model_fields.items()} if model else {}
        if step not in known:
            raise NoSuchField(f'no field "{step}" in {shown}{suggestion(step, known)}')
        info = known[step]
        model = model_in(info.annotation)
        described = info.description or (_doc(model) if model else "")
        shown = f"{shown}.{step}"
    kind_of = readable(info.annotation) if steps else "document"
    return Explanation(path, kind_of, described, _fields(model) if model else ())


def _fields(model: type[BaseModel]) -> tuple[Field, ...]:
    return tuple(_field(info.alias or name, info) for name, info in model.model_fields.items())


def _field(name: str, info: FieldInfo) -> Field:
    inner = model_in(info.annotation)
    description = info.description or (_doc(inner) if inner else "")
    default = "" if info.is_required() or info.default is None else str(info.default)
    if info.default_factory is not None:
        default = ""
    return Field(name, readable(info.annotation), info.is_required(), default, description)


def readable(annotation: Any) -> str:
    """A type as a user of YAML would say it."""
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Annotated:
        return readable(arguments[0])
    if origin is typing.Literal:
        return " | ".join(str(each) for each in arguments)
    if origin in (types.UnionType, typing.Union):
        return " | ".join(readable(each) for each in arguments if each is not type(None))
    if origin is list:
        return f"list of {readable(arguments[0])}"
    if origin is dict:
        return f"map of {readable(arguments[1])}"
    names = {str: "string", int: "integer", bool: "boolean", float: "number"}
    return names.get(annotation) or str(getattr(annotation, "__name__", annotation))


def _doc(model: type[BaseModel]) -> str:
    return " ".join((model.__doc__ or "").split())
