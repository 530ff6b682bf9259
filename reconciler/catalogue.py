"""The datastores that are installed: built in, or from a third party's entry point."""

from __future__ import annotations

import importlib.util
from importlib.metadata import entry_points
from pathlib import Path

from pydantic import ValidationError

from specs.definitions import Definition, Definitions, read_definition

GROUP = "gitrove.datastores"


class BadDefinition(Exception):
    """A datastore's data is wrong; the text names it."""


def discover() -> Definitions:
    """Every installed definition by name. Reads data only; no driver is imported."""
    found = [_read(each.name, each.value) for each in entry_points(group=GROUP)]
    return {definition.name: definition for definition in found}


def _read(name: str, package: str) -> Definition:
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise BadDefinition(f"the datastore {name} names the package {package}, which is missing")
    try:
        return read_definition(Path(next(iter(spec.submodule_search_locations))), package)
    except (ValidationError, OSError, TypeError) as error:
        raise BadDefinition(f"the datastore {name} is badly defined: {error}") from None
