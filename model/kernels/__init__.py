"""What is fast on which device, behind one switch.

The same mathematics as plain operations, computed another way: sampling of maps, sums
of rows, products with the fastest of equal gradients. Tensors come in and go out, and
results do not depend on the way taken. `compute_target` says, when a graph is traced,
what will run it, and so which ways are open; nothing here knows what the tensors mean.
"""

__all__ = [
    "cell_sampling",
    "compute_target",
    "depthwise",
    "point_sampling",
    "products",
    "row_parts",
]
