"""The toy dataset that `m2f demo` and the tests train on.

In come a folder, numbers of images and a seed; out comes a small COCO folder with
polygons, run lengths, crowds, empty images and gaps between ids. Equal arguments give
equal bytes. Only `toy_coco` is meant for others.
"""

__all__ = ["toy_coco"]
