import numpy as np
import pytest


@pytest.fixture
def ten_images(serialize_example, write_records, tmp_path):
    """Two files of five images; image i is filled with i and has i % 3 instances.

    The first instance is of category 3, the second of category 7.
    """
    masks = np.zeros([2, 32, 32], np.uint8)
    masks[0, :8, :8] = masks[1, 4:12, 4:12] = 1
    examples = [
        serialize_example(
            np.full([32, 32], number, np.uint8),
            list(masks[: number % 3]),
            [3, 7][: number % 3],
            image_id=number,
        )
        for number in range(10)
    ]
    return [
        write_records(tmp_path / f"{part}.gz", examples[5 * part : 5 * part + 5])
        for part in range(2)
    ]
