"""Kind ConfigurationGroup: parameters for the instances that refer to it."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from specs.models.document import Document, Model
from specs.models.instance import DatastoreRef


class ConfigurationGroupSpec(Model):
    """Parameters by name; sizes and durations may carry the datastore's own suffixes."""

    datastore: DatastoreRef
    values: dict[str, str | int | float | bool] = Field(default_factory=dict)


class ConfigurationGroup(Document):
    """A named set of parameters."""

    kind: Literal["ConfigurationGroup"]
    spec: ConfigurationGroupSpec
