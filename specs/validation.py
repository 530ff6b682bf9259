"""A parsed document against the model of its kind: every mistake, in words, at its place."""

from __future__ import annotations

import types
import typing
from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from specs.problems import Problem, suggestion
from specs.yaml_tree import Tree

_CONTAINERS = (list, dict, types.UnionType, typing.Union, typing.Annotated)
_WORDS = {
    "string_type": "must be a string",
    "int_type": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_type": "must be a number",
    "bool_type": "must be true or false",
    "list_type": "must be a list",
    "dict_type": "must be a mapping",
    "model_type": "must be a mapping",
    "model_attributes_type": "must be a mapping",
    "missing": "is missing",
}


def problems_of(
    error: ValidationError, model: type[BaseModel], file: str, tree: Tree
) -> Iterator[Problem]:
    """The mistakes behind *error*, each once, where they stand in *tree*."""
    seen = set()
    for detail in error.errors(include_url=False, include_context=True):
        path = _path_in(tree, detail["loc"])
        unknown = detail["type"] == "extra_forbidden"
        line, column = tree.position(path, at_key=unknown)
        message = _message(detail, path, model)
        if (line, column) not in seen:
            seen.add((line, column))
            yield Problem(file, line, column, message)


def _path_in(tree: Tree, loc: tuple[str | int, ...]) -> tuple[str | int, ...]:
    """*loc* without the names that pydantic adds for the branches of a union."""
    path: list[str | int] = []
    value = tree.value
    for step in loc:
        inside_list = isinstance(value, list) and isinstance(step, int) and step < len(value)
        if inside_list or (isinstance(value, dict) and step in value):
            value = value[step]
            path.append(step)
        elif step == loc[-1] and isinstance(value, dict):
            path.append(step)
    return tuple(path)


def _message(detail: ErrorDetails, path: tuple[str | int, ...], model: type[BaseModel]) -> str:
    kind = detail["type"]
    where = dotted(path)
    if kind == "extra_forbidden":
        parent = fields_at(model, path[:-1])
        owner = dotted(path[:-1])
        place = f" in {owner}" if owner else ""
        return f'unknown field "{path[-1]}"{place}{suggestion(str(path[-1]), parent)}'
    if kind == "string_type" and isinstance(detail["input"], int | float):
        return f'{where} must be a string; write "{detail["input"]}" in quotes'
    if kind == "string_pattern_mismatch":
        return f'{where}: "{detail["input"]}" must be lower-case letters, digits and inner hyphens'
    if kind == "literal_error":
        expected = str(detail.get("ctx", {}).get("expected", ""))
        return f'{where} is "{detail["input"]}" but must be {expected}'
    if kind == "value_error":
        return f"{where}: {detail['msg'].removeprefix('Value error, ')}"
    if kind in _WORDS:
        return f"{where} {_WORDS[kind]}"
    return f"{where}: {detail['msg'][0].lower()}{detail['msg'][1:]}"


def dotted(path: tuple[str | int, ...]) -> str:
    """``spec.users[0].name``"""
    text = ""
    for step in path:
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else step
    return text


def fields_at(model: type[BaseModel], path: tuple[str | int, ...]) -> list[str]:
    """The names of the fields of the model that *path* leads to; none where it leads to data."""
    current: Any = model
    for step in path:
        if isinstance(step, int):
            continue
        field = next((f for n, f in current.model_fields.items() if (f.alias or n) == step), None)
        current = model_in(field.annotation) if field else None
        if current is None:
            return []
    return [field.alias or name for name, field in current.model_fields.items()]


def model_in(annotation: Any) -> type[BaseModel] | None:
    """The model inside ``Model``, ``Model | None``, ``list[Model]`` or ``dict[str, Model]``."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    if typing.get_origin(annotation) in (
        list,
        dict,
        types.UnionType,
        typing.Union,
        typing.Annotated,
    ):
        inner = (model_in(each) for each in typing.get_args(annotation))
        return next((each for each in inner if each), None)
    return None
