"""What the catalogue offers to one person, as rows to print."""

from __future__ import annotations

from collections.abc import Iterator

from policy.verdict import Actor
from specs.definitions import Definition, Definitions
from specs.desired import Desired
from specs.layouts import kinds

Row = dict[str, str]


def offers(desired: Desired, definitions: Definitions, actor: Actor) -> Iterator[Row]:
    """One row a version that *actor* may list (kilo-datastore-visibility)."""
    for name, datastore in sorted(desired.datastores.items()):
        definition = definitions[datastore.spec.manager or name]
        for version in datastore.spec.versions:
            member = any(actor.owns(project) for project in version.members)
            listed = version.visibility == "public" or (version.visibility == "private" and member)
            if listed or actor.admin:
                state = version.visibility if version.active else "inactive"
                yield _row(name, version.name, definition, state)
    for name, definition in sorted(definitions.items()):
        if name not in desired.datastores:
            for known in definition.versions:
                yield _row(name, known, definition, "public")


def _row(name: str, version: str, definition: Definition, state: str) -> Row:
    known = definition.versions[version]
    return {
        "datastore": name,
        "version": version,
        "maturity": known.maturity or definition.maturity,
        "visibility": state,
        "port": str(definition.port),
        "upgrades from": ", ".join(known.upgrades_from),
        "volumes": ", ".join(kinds(definition)),
        "can": ", ".join(sorted(definition.capabilities)),
    }


def parameter_rows(definition: Definition) -> Iterator[Row]:
    """One row a parameter that exists, by name."""
    for name, parameter in definition.parameters.items():
        if name != parameter.name or parameter.until:
            continue
        bounds = ""
        if parameter.min is not None:
            bounds = f"{parameter.min} … {parameter.max}"
        yield {
            "name": name,
            "type": parameter.type,
            "bounds": bounds or ", ".join(parameter.values),
            "unit": parameter.unit,
            "default": parameter.default,
            "applies": parameter.apply,
            "controlled by": parameter.control,
        }
