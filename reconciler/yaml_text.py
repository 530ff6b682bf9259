"""Values as YAML, as people write it."""

from __future__ import annotations

from collections.abc import Mapping
from io import StringIO
from typing import Any

from ruamel.yaml import YAML


def written_yaml(*documents: Mapping[str, Any]) -> str:
    """The documents as YAML, in block style and in their order."""
    text = StringIO()
    writer = YAML(typ="safe")
    writer.default_flow_style = False
    writer.sort_base_mapping_type_on_output = False  # type: ignore[assignment]
    writer.dump_all(documents, text)
    return text.getvalue()
