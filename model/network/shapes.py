"""Shapes of what a layer is built for: the channels are known, the rest may be not."""

Shape = tuple[*tuple[int | None, ...], int]


def with_channels(shape: Shape, channels: int) -> Shape:
    """The same shape but for its last axis."""
    return (*shape[:-1], channels)
