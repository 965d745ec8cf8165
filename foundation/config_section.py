"""Base of every part of the configuration, and the numbers its keys take."""

from typing import Annotated

import pydantic

Fraction = Annotated[float, pydantic.Field(ge=0.0, le=1.0)]
PositiveInt = Annotated[int, pydantic.Field(gt=0)]
NonNegativeInt = Annotated[int, pydantic.Field(ge=0)]
PositiveFloat = Annotated[float, pydantic.Field(gt=0.0)]
NonNegativeFloat = Annotated[float, pydantic.Field(ge=0.0)]


class Section(pydantic.BaseModel):
    """Immutable, and an unknown key is an error; so is infinity, which JSON has not."""

    model_config = pydantic.ConfigDict(
        extra="forbid", frozen=True, strict=False, allow_inf_nan=False
    )
