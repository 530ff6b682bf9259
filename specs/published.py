"""The JSON Schemas that editors use, generated from the models."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from specs.models import KINDS
from specs.settings import Settings

FOLDER = Path(__file__).parent / "schema"


def schemas() -> dict[str, str]:
    """File name to text: one per kind, one for gitrove.yaml, and ``all`` for mixed files."""
    models = {**KINDS, "Settings": Settings}
    single = {f"{name.lower()}.json": _schema(name, m) for name, m in models.items()}
    every: dict[str, Any] = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Any gitrove document",
        "required": ["kind"],
        "allOf": [
            {
                "if": {"properties": {"kind": {"const": name}}},
                "then": {"$ref": f"{name.lower()}.json"},
            }
            for name in KINDS
        ],
    }
    return {name: _text(schema) for name, schema in {**single, "all.json": every}.items()}


def _schema(name: str, model: Any) -> dict[str, Any]:
    schema: dict[str, Any] = model.model_json_schema(by_alias=True)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "title": name}


def _text(schema: dict[str, Any]) -> str:
    return json.dumps(schema, indent=2, sort_keys=True) + "\n"
