"""Weighted sums of bilinear samples of several maps.

What is sampled would be the network's largest tensor by far. It is fetched and summed
up a few rows at a time, and the gradient fetches it again instead of keeping it. A
cell of 2 x 2 pixels lies in memory in one piece: one fetch per sample instead of four.
Where products with sparse matrices are to be had, sums need no fetched copy at all.
"""

from collections.abc import Callable, Sequence

import tensorflow as tf

from model.kernels import compute_target, row_parts, row_sums, sampling_layout


def weighted_sums(
    maps: list[tf.Tensor], x_px: tf.Tensor, y_px: tf.Tensor, weights: tf.Tensor
) -> tf.Tensor:
    """Adds up samples of all maps, zero outside the maps.

    Args:
        maps: L maps, float [B, H, W, heads, D].
        x_px, y_px: float [B, T, heads, L * P], places in their map, map by map; pixel
            centres have whole numbers.
        weights: float [B, T, heads, L * P].

    Returns:
        float [B, T, heads, D].
    """
    batch, count, heads, samples = x_px.shape
    batch, count = batch or tf.shape(x_px)[0], count or tf.shape(x_px)[1]
    layout = sampling_layout.layout_of(maps, heads, samples // len(maps))
    image = tf.repeat(tf.range(batch) * layout.num_rows, count)
    rows = (
        tf.reshape(each, [batch * count, heads * samples])
        for each in (x_px, y_px, weights)
    )
    total = _summed(layout, sampling_layout.Samples(*rows, image=image), maps)
    return tf.reshape(total, [batch, count, heads, maps[0].shape[-1]])


def _summed(
    layout: sampling_layout.Layout,
    samples: sampling_layout.Samples,
    maps: list[tf.Tensor],
) -> tf.Tensor:
    """Weighted sums with their gradient, float [R, heads * D]."""
    channels = maps[0].shape[-1]
    is_sparse = compute_target.is_cpu()

    @tf.custom_gradient
    def function(
        x_px: tf.Tensor, y_px: tf.Tensor, weights: tf.Tensor, *maps: tf.Tensor
    ):
        chosen = sampling_layout.Samples(x_px, y_px, weights, samples.image)
        sums = _sparse_sums if is_sparse else _cell_sums
        total = sums(layout, sampling_layout.around(layout, chosen), maps)

        def gradient(upstream: tf.Tensor):
            upstream = tf.reshape(upstream, [-1, layout.heads * channels])
            # Waiting for `upstream` keeps the graph optimizer from merging what is
            # made again with the first, which would stay in memory until here.
            with tf.control_dependencies([upstream]):
                again = tf.nest.map_structure(tf.identity, chosen)
                table = _cell_table([tf.identity(level) for level in maps], layout)
            cells = sampling_layout.around(layout, again)
            places = _place_gradients(_shares(table, layout, cells, upstream), cells)
            spread = _spread_sparse if is_sparse else _spread_cells
            return *places, *_maps_gradient(spread, layout, cells, upstream, maps)

        return total, gradient

    return function(samples.x_px, samples.y_px, samples.weights, *maps)


def _sparse_sums(
    layout: sampling_layout.Layout,
    cells: sampling_layout.Cells,
    maps: Sequence[tf.Tensor],
) -> tf.Tensor:
    """Weighted sums, float [R, heads * D], without fetching."""
    table = tf.concat([sampling_layout.bordered(level) for level in maps], axis=1)
    table = tf.reshape(table, [-1, table.shape[-1]])
    entries = 4 * layout.first.shape[0] // layout.heads  # of a row and head
    row_bytes = layout.heads * entries * row_sums.ENTRY_BYTES
    part = row_parts.length(cells.row, row_bytes, row_sums.PART_BYTES)
    line = row_sums.lines(part * layout.heads, entries)

    def of_part(part: sampling_layout.Cells) -> tf.Tensor:
        total = row_sums.sums(table, line, *sampling_layout.entries(layout, part))
        return tf.reshape(total, [-1, layout.heads * total.shape[-1]])

    return row_parts.in_parts(
        of_part, cells, row_bytes, table.dtype, row_sums.PART_BYTES
    )


def _cell_sums(
    layout: sampling_layout.Layout,
    cells: sampling_layout.Cells,
    maps: Sequence[tf.Tensor],
) -> tf.Tensor:
    """Weighted sums, float [R, heads * D], of fetched cells."""
    table = _cell_table(maps, layout)

    def of_part(part: sampling_layout.Cells) -> tf.Tensor:
        pixels = _fetch(table, layout, part.row)
        weights = tf.stack(sampling_layout.corner_weights(part), axis=-1)
        weights = tf.reshape(weights, [-1, 1, pixels.shape[1]])
        return tf.reshape(weights @ pixels, [-1, layout.heads * pixels.shape[-1]])

    return row_parts.in_parts(of_part, cells, _cell_bytes(layout, table), table.dtype)


def _steps(level: tf.Tensor) -> list:
    """Rows from the upper left pixel of a cell to each of its four."""
    heads = level.shape[3]
    border = sampling_layout.BEFORE + sampling_layout.BEHIND
    down = (tf.shape(level)[2] + border) * heads
    return [0, heads, down, down + heads]


def _cell_table(maps: Sequence[tf.Tensor], layout: sampling_layout.Layout) -> tf.Tensor:
    """The cell right of and below every row, float [B * rows, 4 * D]."""
    levels = []
    for level in maps:
        rows, steps = sampling_layout.bordered(level), _steps(level)
        count = tf.shape(rows)[1]
        rows = tf.pad(rows, [[0, 0], [0, steps[-1]], [0, 0]])
        levels.append(tf.concat([rows[:, s : s + count] for s in steps], axis=-1))
    return tf.reshape(tf.concat(levels, axis=1), [-1, 4 * maps[0].shape[-1]])


def _cell_bytes(layout: sampling_layout.Layout, table: tf.Tensor) -> int:
    return layout.first.shape[0] * table.shape[-1] * table.dtype.size


def _fetch(
    table: tf.Tensor, layout: sampling_layout.Layout, row: tf.Tensor
) -> tf.Tensor:
    """Pixels of cells, float [R * heads, L * P * 4, D]."""
    samples = row.shape[-1] // layout.heads
    return tf.reshape(tf.gather(table, row), [-1, samples * 4, table.shape[-1] // 4])


def _shares(
    table: tf.Tensor,
    layout: sampling_layout.Layout,
    cells: sampling_layout.Cells,
    upstream: tf.Tensor,
) -> tf.Tensor:
    """What each pixel of each cell has in common with the gradient, float [R, K, 4]."""

    def of_part(given: tuple[tf.Tensor, tf.Tensor]) -> tf.Tensor:
        row, upstream = given
        pixels = _fetch(table, layout, row)
        column = tf.reshape(upstream, [-1, pixels.shape[-1], 1])
        return tf.reshape(pixels @ column, [-1, row.shape[-1], 4])

    given = (cells.row, upstream)
    return row_parts.in_parts(of_part, given, _cell_bytes(layout, table), table.dtype)


def _place_gradients(
    shares: tf.Tensor, cells: sampling_layout.Cells
) -> tuple[tf.Tensor, ...]:
    """Gradients of x, y and weights, float [R, K] each."""
    here, right, below, below_right = tf.unstack(shares, axis=-1)
    on_left = here + cells.below * (below - here)
    on_right = right + cells.below * (below_right - right)
    on_top = here + cells.right * (right - here)
    on_bottom = below + cells.right * (below_right - below)
    return (
        cells.weights * (on_right - on_left),
        cells.weights * (on_bottom - on_top),
        on_top + cells.below * (on_bottom - on_top),
    )


def _maps_gradient(
    spread: Callable[..., tf.Tensor],
    layout: sampling_layout.Layout,
    cells: sampling_layout.Cells,
    upstream: tf.Tensor,
    maps: Sequence[tf.Tensor],
) -> list[tf.Tensor]:
    """Every sample's share added to its pixels, image by image."""
    batch, heads, channels = tf.shape(maps[0])[0], *maps[0].shape[3:]

    def cut(tensor: tf.Tensor) -> tf.Tensor:
        return tf.reshape(tensor, tf.concat([[batch, -1], tf.shape(tensor)[1:]], 0))

    def of_image(given: tuple) -> tf.Tensor:
        index, cells, upstream = given
        cells = cells._replace(row=cells.row - index * layout.num_rows)
        return spread(layout, cells, tf.reshape(upstream, [-1, channels]), maps)

    given = tf.nest.map_structure(cut, (cells, upstream))
    rows = tf.map_fn(
        of_image,
        (tf.range(batch), *given),
        fn_output_signature=upstream.dtype,
        parallel_iterations=1,
    )  # [B, rows, D]
    before, behind = sampling_layout.BEFORE, sampling_layout.BEHIND
    gradients = []
    parts = tf.split(rows, layout.map_rows, axis=1)
    for part, level in zip(parts, maps, strict=True):
        height, width = tf.unstack(tf.shape(level)[1:3] + before + behind)
        padded = tf.reshape(part, [batch, height, width, heads, channels])
        inner = padded[:, before:-behind, before:-behind]
        gradients.append(tf.ensure_shape(inner, level.shape))
    return gradients


def _spread_sparse(
    layout: sampling_layout.Layout,
    cells: sampling_layout.Cells,
    upstream: tf.Tensor,
    maps: Sequence[tf.Tensor],
) -> tf.Tensor:
    """Rows of one image, float [rows, D], without making each sample's share."""
    index, weights = sampling_layout.entries(layout, cells)
    line = row_sums.lines(tf.shape(index)[0], index.shape[1])
    return row_sums.spread(line, index, weights, upstream, layout.num_rows)


def _spread_cells(
    layout: sampling_layout.Layout,
    cells: sampling_layout.Cells,
    upstream: tf.Tensor,
    maps: Sequence[tf.Tensor],
) -> tf.Tensor:
    """Rows of one image, float [rows, D], from the shares of every sample."""
    weights = tf.stack(sampling_layout.corner_weights(cells), axis=-1)
    weights = tf.reshape(weights, [tf.shape(upstream)[0], -1, 1])
    # An outer product by matmul: a third of the time of a broadcast product.
    shares = weights @ upstream[:, tf.newaxis]
    shares = tf.reshape(shares, [-1, 4 * upstream.shape[-1]])
    row = tf.reshape(cells.row, [-1])
    table = tf.math.unsorted_segment_sum(shares, row, layout.num_rows)
    levels = []
    for part, level in zip(tf.split(table, layout.map_rows), maps, strict=True):
        steps, count = _steps(level), tf.shape(part)[0]
        corners = tf.split(part, 4, axis=-1)
        moved = [
            tf.pad(corner, [[step, 0], [0, 0]])[:count]
            for step, corner in zip(steps, corners, strict=True)
        ]
        levels.append(tf.add_n(moved))
    return tf.concat(levels, axis=0)
