"""The served model: image bytes in, COCO detections out, in plain TensorFlow."""

import json
from collections.abc import Sequence
from typing import Protocol

import tensorflow as tf

from foundation import artifact_paths
from model.examples import categories as categories_lib
from model.examples import features
from model.serve import model_folder, postprocess

# Names of the signatures; each has one input and the outputs named below.
ENCODED = "serving_default"  # `image_bytes`, string [B]
PIXELS = "serving_tensor"  # `images`, uint8 [B, H, W, 3]
EXAMPLES = "serving_examples"  # `examples`, string [B], serialized tf.Example
SIGNATURES = (ENCODED, PIXELS, EXAMPLES)

NUM_DETECTIONS = postprocess.NUM_DETECTIONS  # int32 [B]
SCORES = postprocess.SCORES  # float32 [B, T], descending, 0 where there is none
CATEGORY_IDS = "category_ids"  # int64 [B, T], COCO ids, -1 where there is none
CLASS_NAMES = "class_names"  # string [B, T]
BOXES = postprocess.BOXES  # float32 [B, T, 4], xywh_px of the original image
MASKS_RLE = postprocess.MASKS_RLE  # string [B, T], compressed COCO counts
IMAGE_SIZE = "image_size"  # int32 [B, 2], height and width, the `size` of the counts

EXTRA_ASSETS = model_folder.EXTRA_ASSETS
INFO_FILENAME = model_folder.INFO_FILENAME


class ImageTransform(Protocol):
    """What `preprocessing.ImageTransform` offers."""

    def from_encoded(self, encoded: tf.Tensor) -> dict[str, tf.Tensor]:
        """string [B] -> `image`, `content_size`, `original_size`."""
        ...

    def from_pixels(self, images: tf.Tensor) -> dict[str, tf.Tensor]:
        """uint8 [B, H, W, 3] -> the same."""
        ...


class Network(Protocol):
    """What `mask2former.Mask2Former` offers.

    Attributes:
        variables: of TensorFlow or of Keras.
    """

    variables: Sequence[object]

    def __call__(
        self, images: tf.Tensor, training: bool
    ) -> dict[str, tuple[tf.Tensor, ...]]:
        """float32 [B, H, W, 3] -> `class_logits`, `mask_logits`, the last is final."""
        ...


class ServingModule(tf.Module):
    """Network, preprocessing and post-processing behind three signatures.

    Args:
        network: gives the logits of one batch.
        image_transform: the transform graph of the run that trained the network.
        categories: the classes, ascending by category id.
        max_detections: T, detections per image.
    """

    def __init__(
        self,
        network: Network,
        image_transform: ImageTransform,
        categories: Sequence[categories_lib.Category],
        max_detections: int,
    ):
        super().__init__(name="serving")
        # A Keras model as an attribute would export itself, with a signature of its
        # own that is traced once more; its variables are all that is needed.
        self._run_network = lambda images: network(images, training=False)
        self._variables = [_tf_variable(each) for each in network.variables]
        self.image_transform = image_transform
        self.categories = tuple(categories)
        self.max_detections = max_detections

    # Autograph is off below: nothing here branches on tensors in Python, and converting
    # the code would double the time that tracing takes.
    @tf.function(
        autograph=False,
        input_signature=[tf.TensorSpec([None], tf.string, "image_bytes")],
    )
    def detect_encoded(self, image_bytes: tf.Tensor) -> dict[str, tf.Tensor]:
        """Detects in JPEG or PNG files, string [B], of any sizes."""
        return self._detect(**self.image_transform.from_encoded(image_bytes))

    @tf.function(
        autograph=False,
        input_signature=[tf.TensorSpec([None] * 3 + [3], tf.uint8, "images")],
    )
    def detect_pixels(self, images: tf.Tensor) -> dict[str, tf.Tensor]:
        """Detects in RGB images of one size, uint8 [B, H, W, 3]."""
        return self._detect(**self.image_transform.from_pixels(images))

    @tf.function(
        autograph=False, input_signature=[tf.TensorSpec([None], tf.string, "examples")]
    )
    def detect_examples(self, examples: tf.Tensor) -> dict[str, tf.Tensor]:
        """Detects in serialized tf.Examples, string [B]."""
        spec = {features.IMAGE_ENCODED: tf.io.FixedLenFeature([], tf.string)}
        parsed = tf.io.parse_example(examples, spec)
        return self.detect_encoded(parsed[features.IMAGE_ENCODED])

    # Traced once: the three signatures share this graph.
    @tf.function(
        autograph=False,
        input_signature=[
            tf.TensorSpec([None, None, None, 3], tf.float32, "image"),
            tf.TensorSpec([None, 2], tf.int32, "content_size"),
            tf.TensorSpec([None, 2], tf.int32, "original_size"),
        ],
    )
    def _detect(
        self, image: tf.Tensor, content_size: tf.Tensor, original_size: tf.Tensor
    ) -> dict[str, tf.Tensor]:
        count = tf.shape(image)[0]
        image, content, original = (
            _at_least_one(each) for each in (image, content_size, original_size)
        )
        predicted = self._run_network(image)
        found = postprocess.detect(
            predicted["class_logits"][-1],
            predicted["mask_logits"][-1],
            tf.shape(image)[1:3],
            content,
            original,
            self.max_detections,
        )
        found = {key: value[:count] for key, value in found.items()}
        # Index -1, no detection, takes the entry before the first class.
        row = found.pop(postprocess.CLASS_INDEX) + 1  # [B, T]
        ids = [-1] + [category.category_id for category in self.categories]
        names = [""] + [category.name for category in self.categories]
        return found | {
            CATEGORY_IDS: tf.gather(tf.constant(ids, tf.int64), row),
            CLASS_NAMES: tf.gather(tf.constant(names), row),
            IMAGE_SIZE: original_size,
        }


def save(
    module: ServingModule, path: artifact_paths.Path, info: dict[str, str]
) -> None:
    """Writes the SavedModel with its categories and `info` under `assets.extra/`.

    `saved_model.pb` is written last, so that a folder which has it is complete.
    """
    extra = path / EXTRA_ASSETS
    extra.mkdir(parents=True, exist_ok=True)
    categories_lib.write_table(module.categories, extra / categories_lib.TABLE_FILENAME)
    (extra / INFO_FILENAME).write_text(json.dumps(info, indent=1), encoding="utf-8")
    tf.saved_model.save(
        module,
        str(path),
        signatures={
            ENCODED: module.detect_encoded,
            PIXELS: module.detect_pixels,
            EXAMPLES: module.detect_examples,
        },
        options=tf.saved_model.SaveOptions(experimental_custom_gradients=False),
    )


def _at_least_one(rows: tf.Tensor) -> tf.Tensor:
    """The same rows, or one of ones when there are none.

    What kernels make of no image at all differs from CPU to CPU: a convolution of
    oneDNN answers with a wrong shape, others divide by the number of rows.
    """
    missing = tf.maximum(1 - tf.shape(rows)[0], 0)
    paddings = [[0, missing], *[[0, 0]] * (rows.shape.rank - 1)]
    return tf.pad(rows, paddings, constant_values=1)


def _tf_variable(variable: object) -> object:
    """The tf.Variable inside a Keras variable; any other variable as it is."""
    value = getattr(variable, "value", None)
    return variable if value is None or callable(value) else value
