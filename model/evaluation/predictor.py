"""Has a model detect in the stored images of a split."""

from collections.abc import Collection, Sequence
from typing import Protocol

from foundation import progress
from model.examples import record_files
from model.serve import saved_model


class Detector(Protocol):
    """A model that was loaded, or one that is still being trained."""

    def predict_encoded(self, images: Sequence[bytes]) -> list[saved_model.Detections]:
        """Detects in one batch of JPEG or PNG files."""
        ...


def score_images(
    model: Detector,
    files: Sequence[str],
    num_images: int,
    batch_size: int,
    description: str,
    image_ids: Collection[int] | None = None,
) -> list[dict]:
    """Returns COCO results.

    Args:
        num_images: how many there are, for the progress bar.
        image_ids: of the images to detect in; None for all.
    """
    results = []
    with progress.track(description, total=num_images) as task:
        for ids, encoded in record_files.image_batches(files, batch_size, image_ids):
            found = model.predict_encoded(encoded.tolist())
            for image_id, detections in zip(ids.tolist(), found, strict=True):
                results += detections.coco_results(image_id)
            task.advance(len(found))
    return results
