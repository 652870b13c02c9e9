"""Settings from the environment, typed and named once; tests hold them against the template."""

from __future__ import annotations

import os
from functools import cache
from typing import Self

from pydantic import BaseModel, ConfigDict, ValidationError


class Settings(BaseModel):
    """A field `effects_table` is the environment variable `EFFECTS_TABLE`.

    Nothing is read when a module is imported: `load` reads once, at first use.
    """

    model_config = ConfigDict(frozen=True)

    @classmethod
    @cache
    def load(cls) -> Self:
        """Read the environment. Raises LookupError naming what the template does not set."""
        names = {name: name.upper() for name in cls.model_fields}
        found = {name: os.environ[key] for name, key in names.items() if key in os.environ}
        try:
            return cls(**found)
        except ValidationError as error:
            missing = ", ".join(str(e["loc"][0]).upper() for e in error.errors())
            raise LookupError(
                f"missing or wrong in the function's environment: {missing}"
            ) from None
