"""A reference to a password; the password itself is never in a spec."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from specs.models.document import Model


class SecretRef(Model):
    """Where a password comes from. Without ``fromEnv`` or ``fromFile`` it is generated."""

    generate: Literal[True] | None = Field(
        default=None, description="Derive a password from the control-plane key (the default)."
    )
    rotation: int = Field(default=1, ge=1, description="Raise it to get another generated one.")
    from_env: str | None = Field(default=None, description="The environment variable to read.")
    from_file: str | None = Field(
        default=None, description="The file to read, relative to the repository's root."
    )

    @model_validator(mode="after")
    def _one_source(self) -> SecretRef:
        if sum(each is not None for each in (self.generate, self.from_env, self.from_file)) > 1:
            raise ValueError("give only one of generate, fromEnv and fromFile")
        return self
