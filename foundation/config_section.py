"""Base of every part of the configuration, and the numbers its keys take."""

import typing
from typing import Annotated, Any

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

    @pydantic.field_validator("*", mode="before")
    @classmethod
    def _refuse_truth_for_a_number(
        cls, value: Any, info: pydantic.ValidationInfo
    ) -> Any:
        # Python counts true as 1, and so does pydantic where a number is wanted.
        field = cls.model_fields[info.field_name or ""]
        if _has_truth(value) and not _takes_truth(field.annotation):
            raise ValueError("wanted no truth value")
        return value


def _has_truth(value: Any) -> bool:
    """Is it true or false, or a list with one?"""
    if isinstance(value, list | tuple):
        return any(map(_has_truth, value))
    return isinstance(value, bool)


def _takes_truth(annotation: Any) -> bool:
    """Does a type name truth values, or a part of what it is put together of?"""
    if annotation in (bool, Any) or isinstance(annotation, bool):
        return True
    return any(map(_takes_truth, typing.get_args(annotation)))
