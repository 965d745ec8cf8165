"""Turns a mask into polygons that follow its pixel edges."""

import numpy as np

# East, south, west, north, with the mask on the right-hand side.
_STEPS = ((1, 0), (0, 1), (-1, 0), (0, -1))


def polygons(mask: np.ndarray) -> list[list[int]] | None:
    """Traces every 4-connected part of a mask.

    Args:
        mask: bool [H, W].

    Returns:
        One COCO polygon `[x0, y0, x1, y1, ...]` per part, in px, corners only; None
        when the mask has a hole, which COCO polygons cannot express.
    """
    edges = _directed_edges(mask)
    found = []
    for y, x in np.argwhere(edges[0]).tolist():  # every loop has an edge going east
        if not edges[0, y, x]:
            continue
        loop = _follow(edges, x, y)
        if _twice_signed_area(loop) < 0:
            return None
        found.append([value for corner in loop for value in corner])
    return found


def _directed_edges(mask: np.ndarray) -> np.ndarray:
    """bool [4, H + 1, W + 1]: is there an edge leaving this corner that way?"""
    height, width = mask.shape
    padded = np.pad(mask, 1)
    centre = padded[1:-1, 1:-1]
    edges = np.zeros([4, height + 1, width + 1], bool)
    edges[0, :-1, :-1] = centre & ~padded[:-2, 1:-1]
    edges[1, :-1, 1:] = centre & ~padded[1:-1, 2:]
    edges[2, 1:, 1:] = centre & ~padded[2:, 1:-1]
    edges[3, 1:, :-1] = centre & ~padded[1:-1, :-2]
    return edges


def _follow(edges: np.ndarray, x: int, y: int) -> list[tuple[int, int]]:
    """Walks one loop from the corner (x, y) eastwards, clearing its edges."""
    corners = []
    heading = 0
    while edges[heading, y, x]:
        edges[heading, y, x] = False
        x, y = x + _STEPS[heading][0], y + _STEPS[heading][1]
        # Right first: where two pixels touch at a corner, each keeps its own loop.
        for turned in ((heading + 1) % 4, heading, (heading + 3) % 4):
            if edges[turned, y, x]:
                break
        else:
            turned = -1  # back at the first edge, which always starts at a corner
        if turned != heading:
            corners.append((x, y))
        heading = turned
    return corners


def _twice_signed_area(loop: list[tuple[int, int]]) -> int:
    """Positive for an outline (clockwise, y downwards), negative for a hole."""
    following = loop[1:] + loop[:1]
    return sum(
        x0 * y1 - x1 * y0 for (x0, y0), (x1, y1) in zip(loop, following, strict=True)
    )
