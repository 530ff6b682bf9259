"""The published schemas are the models'."""

from __future__ import annotations

from reconciler.scaffold import all_schemas
from specs.published import FOLDER


def test_the_schemas_are_current() -> None:
    published = {path.name: path.read_text() for path in FOLDER.glob("*.json")}
    assert published == all_schemas(), "run: gitrove schema"
