"""Draws one picture of the toy dataset: textured shapes that hide parts of each other.

Colours are drawn independently of the class. Form tells it, and so does the surface,
but for the few that are plain.
"""

import dataclasses

import numpy as np
from PIL import Image

CLASS_NAMES = ("disk", "box", "triangle")
_MIN_VISIBLE_PX = 60
_MIN_VISIBLE_FRACTION = 0.5
_PLACEMENT_TRIES = 12
_PLAIN = 0.1  # share of objects without their class's surface
_CONTRAST = 26.0


@dataclasses.dataclass(frozen=True)
class Shape:
    """A disk, or a convex polygon given by its corners.

    Attributes:
        name: one of `CLASS_NAMES`.
        centre: float [2], x and y, px.
        axes: float [2], half axes of a disk, px; unused by the others.
        corners: float [corners, 2], x and y, px, clockwise; empty for a disk.
    """

    name: str
    centre: np.ndarray
    axes: np.ndarray
    corners: np.ndarray


@dataclasses.dataclass
class Thing:
    """Something drawn.

    Attributes:
        name: its class.
        is_crowd: True for a cluster of small shapes that counts as one crowd.
        full_area: px² before anything hid it.
        visible: bool [H, W].
    """

    name: str
    is_crowd: bool
    full_area: int
    visible: np.ndarray


def draw_scene(
    rng: np.random.Generator,
    height: int,
    width: int,
    *,
    num_objects: int,
    with_crowd: bool,
    with_bar: bool,
) -> tuple[np.ndarray, list[Thing]]:
    """Draws background, crowd and objects, later ones in front.

    Args:
        num_objects: how many are tried; one that would hide too much is left out.
        with_crowd: puts a crowd behind the objects.
        with_bar: lays a long box across a large first object, which cuts it in two.

    Returns:
        uint8 [H, W, 3] RGB and what is visible in it.
    """
    canvas = _background(rng, height, width)
    colours = [canvas.mean(axis=(0, 1))]
    things: list[Thing] = []
    if with_crowd:
        _draw_crowd(rng, canvas, colours, things)
    if with_bar:
        middle = np.array([width, height]) / 2 + rng.uniform(-6, 6, 2)
        angle = rng.uniform(0, np.pi)
        first = _shape(rng, _any_name(rng), middle, rng.uniform(24, 30))
        _try_to_draw(rng, canvas, colours, things, first)
        bar = _box(middle, np.array([44.0, rng.uniform(6, 7)]), angle)
        _try_to_draw(rng, canvas, colours, things, bar)
    for _ in range(num_objects):
        for _ in range(_PLACEMENT_TRIES):
            centre = rng.uniform(0.1, 0.9, 2) * (width, height)
            radius = rng.uniform(8, 12) if rng.random() < 0.05 else rng.uniform(14, 30)
            shape = _shape(rng, _any_name(rng), centre, radius)
            if _try_to_draw(rng, canvas, colours, things, shape):
                break
    return np.clip(np.rint(canvas), 0, 255).astype(np.uint8), things


def _try_to_draw(
    rng: np.random.Generator,
    canvas: np.ndarray,
    colours: list[np.ndarray],
    things: list[Thing],
    shape: Shape,
) -> bool:
    """Draws a shape in front, unless too little of another would stay visible."""
    distance = _signed_distance(shape, *canvas.shape[:2])
    mask = distance <= 0
    for thing in things:
        left = np.count_nonzero(thing.visible & ~mask)
        if left < max(_MIN_VISIBLE_PX, _MIN_VISIBLE_FRACTION * thing.full_area):
            return False
    area = int(np.count_nonzero(mask))
    if area < _MIN_VISIBLE_PX:
        return False
    _paint(rng, canvas, colours, distance, shape.name)
    for thing in things:
        thing.visible &= ~mask
    things.append(Thing(shape.name, False, area, mask))
    return True


def _draw_crowd(
    rng: np.random.Generator,
    canvas: np.ndarray,
    colours: list[np.ndarray],
    things: list[Thing],
) -> None:
    height, width = canvas.shape[:2]
    name = _any_name(rng)
    origin = rng.uniform(0.25, 0.75, 2) * (width, height)
    mask = np.zeros([height, width], bool)
    for _ in range(int(rng.integers(6, 10))):
        shape = _shape(rng, name, origin + rng.uniform(-18, 18, 2), rng.uniform(5, 7))
        distance = _signed_distance(shape, height, width)
        _paint(rng, canvas, colours[:1], distance, name)
        mask |= distance <= 0
    things.append(Thing(name, True, int(np.count_nonzero(mask)), mask))


def _any_name(rng: np.random.Generator) -> str:
    return CLASS_NAMES[int(rng.integers(len(CLASS_NAMES)))]


def _shape(
    rng: np.random.Generator, name: str, centre: np.ndarray, radius: float
) -> Shape:
    """A random member of a class, `radius` px from its centre to its far side."""
    if name == "disk":
        axes = radius * np.array([1.0, rng.uniform(0.85, 1.0)])
        return Shape(name, centre, axes, np.zeros([0, 2]))
    angle = rng.uniform(0, 2 * np.pi)
    if name == "box":
        return _box(centre, radius * np.array([0.9, rng.uniform(0.5, 0.9)]), angle)
    angles = angle + np.arange(3) * 2 * np.pi / 3 + rng.uniform(-0.25, 0.25, 3)
    corners = centre + 1.2 * radius * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    return Shape(name, centre, np.zeros([2]), corners)


def _box(centre: np.ndarray, half_sides: np.ndarray, angle: float) -> Shape:
    signs = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]])
    cos, sin = np.cos(angle), np.sin(angle)
    corners = centre + signs * half_sides @ np.array([[cos, sin], [-sin, cos]])
    return Shape("box", centre, np.zeros([2]), corners)


def _signed_distance(shape: Shape, height: int, width: int) -> np.ndarray:
    """float [H, W], about the distance of pixel centres to the outline, px; < 0 inside.

    Outside the corners of a polygon it is the distance to the nearer side's line.
    """
    y, x = np.ogrid[0.5:height, 0.5:width]
    if not len(shape.corners):
        offset_x, offset_y = x - shape.centre[0], y - shape.centre[1]
        scaled = np.hypot(offset_x / shape.axes[0], offset_y / shape.axes[1])
        return (scaled - 1) * shape.axes.min()
    distance = np.full([height, width], -np.inf)
    for corner, following in zip(
        shape.corners, np.roll(shape.corners, -1, axis=0), strict=True
    ):
        along = (following - corner) / np.linalg.norm(following - corner)
        side = (x - corner[0]) * along[1] - (y - corner[1]) * along[0]
        distance = np.maximum(distance, side)
    return distance


def _paint(
    rng: np.random.Generator,
    canvas: np.ndarray,
    colours: list[np.ndarray],
    distance: np.ndarray,
    name: str,
) -> None:
    """Blends a textured shape in, with edges one pixel soft."""
    colour = _new_colour(rng, colours)
    colours.append(colour)
    height, width = distance.shape
    texture = rng.normal(0, 6, [height, width])
    if rng.random() >= _PLAIN:
        texture += _surface(rng, name, height, width)
    opacity = np.clip(0.5 - distance, 0, 1)[..., None]
    canvas += opacity * (colour + texture[..., None] - canvas)


def _surface(
    rng: np.random.Generator, name: str, height: int, width: int
) -> np.ndarray:
    """What to add to a colour, float [H, W]: boxes have stripes, triangles dots."""
    y, x = np.ogrid[0:height, 0:width]
    angle, period = rng.uniform(0, np.pi), rng.uniform(5, 8)
    along = (x * np.cos(angle) + y * np.sin(angle)) * 2 * np.pi / period
    across = (y * np.cos(angle) - x * np.sin(angle)) * 2 * np.pi / period
    waves = {
        "disk": 0.0 * along,
        "box": np.sin(along),
        "triangle": np.sin(along) * np.sin(across),
    }
    return _CONTRAST * waves[name]


def _new_colour(rng: np.random.Generator, taken: list[np.ndarray]) -> np.ndarray:
    """The one of a few random colours that is farthest from those taken; RGB."""
    candidates = rng.uniform(10, 245, [6, 3])
    gaps = np.abs(candidates[:, None] - np.stack(taken)).max(axis=2).min(axis=1)
    return candidates[int(np.argmax(gaps))]


def _background(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    """float [H, W, 3] in about 0..255: soft blotches and pixel noise."""
    base = rng.uniform(40, 215, 3)
    coarse = np.clip(base + rng.normal(0, 22, [5, 5, 3]), 0, 255).astype(np.uint8)
    blotches = Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)
    noise = rng.normal(0, rng.uniform(2, 6), [height, width, 1])
    return np.asarray(blotches, np.float64) + noise
