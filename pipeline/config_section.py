"""Base of every part of the configuration."""

import pydantic


class Section(pydantic.BaseModel):
    """Immutable, and an unknown key is an error."""

    model_config = pydantic.ConfigDict(extra="forbid", frozen=True, strict=False)
