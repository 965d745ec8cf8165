"""Loads exported models and asks them for detections."""

import dataclasses
import json
from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from foundation import artifact_paths, errors
from model.examples import categories
from model.serve import export, model_folder


@dataclasses.dataclass(frozen=True)
class Detections:
    """What a model found in one image, best first.

    Attributes:
        scores: float32 [n], in [0, 1].
        category_ids: int64 [n], COCO ids.
        class_names: n names.
        boxes: float32 [n, 4], xywh_px.
        masks: n COCO RLE objects, `{"size": [h, w], "counts": str}`.
        image_size: height and width, px.
    """

    scores: np.ndarray
    category_ids: np.ndarray
    class_names: list[str]
    boxes: np.ndarray
    masks: list[dict]
    image_size: tuple[int, int]

    def coco_results(self, image_id: int) -> list[dict]:
        """Entries of a COCO results file."""
        return [
            {
                "image_id": image_id,
                "category_id": int(category_id),
                "score": float(score),
                "bbox": [float(value) for value in box],
                "segmentation": mask,
            }
            for category_id, score, box, mask in zip(
                self.category_ids, self.scores, self.boxes, self.masks, strict=True
            )
        ]


class Predictor:
    """An exported model, loaded.

    Attributes:
        path: folder that holds `saved_model.pb`.
        categories: its classes, ascending by category id.
        info: what the export was told to remember.
    """

    def __init__(
        self,
        path: artifact_paths.Path,
        loaded: tf.Module,
        class_table: Sequence[categories.Category],
        info: dict[str, str],
    ):
        self.path = path
        self.categories = list(class_table)
        self.info = info
        self._loaded = loaded

    def predict_encoded(self, images: Sequence[bytes]) -> list[Detections]:
        """Detects in one batch of JPEG or PNG files (8 bits, gray or RGB)."""
        if not images:
            return []
        detect = self._loaded.signatures[export.ENCODED]
        return split_batch(detect(image_bytes=tf.constant(list(images), tf.string)))

    def predict_pixels(self, images: np.ndarray) -> list[Detections]:
        """Detects in one batch uint8 [B, H, W, 3], RGB."""
        if not len(images):
            return []
        detect = self._loaded.signatures[export.PIXELS]
        return split_batch(detect(images=tf.constant(images, tf.uint8)))


def load(path: artifact_paths.Path) -> Predictor:
    """Loads a model folder, or the newest version below it.

    Raises:
        ModelFileError: there is no model, it cannot be read, or it is not ours.
    """
    folder = model_folder.newest_version(path)
    try:
        loaded = tf.saved_model.load(str(folder))
    except (OSError, ValueError, KeyError, tf.errors.OpError) as error:
        reason = " ".join(str(error).split())[:300]
        raise errors.ModelFileError(
            f"{folder}: saved_model.pb cannot be loaded: {reason}. Export the model "
            "again, or copy the whole folder again."
        ) from None
    missing = [name for name in export.SIGNATURES if name not in loaded.signatures]
    if missing:
        raise errors.ModelFileError(
            f"{folder}: not a model of this pipeline: it lacks the signatures "
            f"{missing}, it has {sorted(loaded.signatures)}. Give a folder that "
            "`m2f run` or `m2f demo` pushed."
        )
    return Predictor(folder, loaded, read_categories(folder), read_info(folder))


def read_categories(folder: artifact_paths.Path) -> list[categories.Category]:
    """Classes of an exported model.

    Raises:
        ModelFileError: the table is missing or not readable.
    """
    table = folder / export.EXTRA_ASSETS / categories.TABLE_FILENAME
    try:
        return categories.read_table(table)
    except (OSError, ValueError, TypeError) as error:
        raise errors.ModelFileError(
            f"{table}: cannot be read as the table of classes: {error}. Give a folder "
            "that `m2f run` or `m2f demo` pushed."
        ) from None


def read_info(folder: artifact_paths.Path) -> dict[str, str]:
    """What `export.save` was told to remember; empty when it is not there."""
    path = folder / export.EXTRA_ASSETS / export.INFO_FILENAME
    if not path.is_file():
        return {}
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise errors.ModelFileError(
            f"{path}: cannot be read as JSON: {error}. Give a folder that `m2f run` or "
            "`m2f demo` pushed."
        ) from None


def split_batch(outputs: dict[str, tf.Tensor]) -> list[Detections]:
    """Takes the outputs of a signature apart, without their padding."""
    arrays = {key: value.numpy() for key, value in outputs.items()}
    found = []
    for image, count in enumerate(arrays[export.NUM_DETECTIONS]):
        own = {key: value[image] for key, value in arrays.items()}
        size = [int(side) for side in own[export.IMAGE_SIZE]]
        found.append(
            Detections(
                scores=own[export.SCORES][:count],
                category_ids=own[export.CATEGORY_IDS][:count],
                class_names=[name.decode() for name in own[export.CLASS_NAMES][:count]],
                boxes=own[export.BOXES][:count],
                masks=[
                    {"size": size, "counts": counts.decode("ascii")}
                    for counts in own[export.MASKS_RLE][:count]
                ],
                image_size=(size[0], size[1]),
            )
        )
    return found
