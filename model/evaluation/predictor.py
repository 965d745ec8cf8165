"""Drives an exported model over every stored image of a split."""

from collections.abc import Sequence

from foundation import progress
from model.examples import record_files
from model.serve import saved_model


def score_images(
    model: saved_model.Predictor,
    files: Sequence[str],
    num_images: int,
    batch_size: int,
    description: str,
) -> list[dict]:
    """Returns COCO results of all images.

    Args:
        num_images: how many there are, for the progress bar.
    """
    results = []
    with progress.track(description, total=num_images) as task:
        for image_ids, encoded in record_files.image_batches(files, batch_size):
            found = model.predict_encoded(encoded.tolist())
            for image_id, detections in zip(image_ids.tolist(), found, strict=True):
                results += detections.coco_results(image_id)
            task.advance(len(found))
    return results
