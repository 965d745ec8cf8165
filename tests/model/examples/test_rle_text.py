import numpy as np
import pytest
from pycocotools import mask as coco_mask

from model.examples import rle_text


def texts(count, seed=0):
    """Compressed by pycocotools, with the run lengths counted by hand."""
    generator = np.random.default_rng(seed)
    found = []
    for density in generator.random(count):
        mask = (generator.random([40, 50]) < density**4).astype(np.uint8)
        mask[:, 20:30] = density > 0.5  # runs of several characters
        pixels = mask.ravel(order="F").tolist()
        runs, value = [0], 0
        for pixel in pixels:
            if pixel != value:
                runs, value = [*runs, 0], pixel
            runs[-1] += 1
        encoded = coco_mask.encode(np.asfortranarray(mask))["counts"]
        found.append((encoded, runs))
    return found


def test_several_texts_are_read_as_they_were_written():
    written = texts(20)
    read = rle_text.decode_all([text for text, _ in written])
    assert [runs.tolist() for runs in read] == [runs for _, runs in written]


def test_no_text_gives_no_runs():
    assert rle_text.decode_all([]) == []
    assert rle_text.decode("").tolist() == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"5q2", "character"),
        (b"5 2", "character"),
        (b"52P", "the middle of a number"),
        (b"PPPPPPP1", "above 32 bits"),
    ],
)
def test_what_coco_does_not_write_is_refused_wherever_it_stands(text, message):
    good = texts(1)[0][0]
    for together in ([text], [text, good], [good, text], [good, text, good]):
        with pytest.raises(rle_text.RleTextError, match=message):
            rle_text.decode_all(together)
