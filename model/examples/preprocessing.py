"""Decode, resize, pad and normalise: one graph for training, evaluation and serving.

`preprocessing_fn` is what the Transform node runs. It counts the categories and images
of the training split and, when asked, measures its pixels; the graph it leaves behind
turns image bytes into the network's input. `ImageTransform` is that graph, loaded
again.
"""

from collections.abc import Mapping

import tensorflow as tf
import tensorflow_transform as tft
from tensorflow_transform.saved import saved_transform_io_v2

from foundation import artifact_paths
from model import image_sections
from model.examples import categories, features, picture_headers

# Outputs of the transform graph, and of `ImageTransform`.
IMAGE = "image"  # float32 [B, H, W, 3], normalised, zero where padded
CONTENT_SIZE = "content_size"  # int32 [B, 2], height and width inside the padding
ORIGINAL_SIZE = "original_size"  # int32 [B, 2], height and width as stored
PIXEL_MEAN = "pixel_mean"  # float32 [B, 3]
PIXEL_STD = "pixel_std"  # float32 [B, 3]
_IMAGES_NAME = "instances_per_image"  # a vocabulary, too


def preprocessing_fn(
    inputs: Mapping[str, tf.SparseTensor], custom_config: Mapping[str, str]
) -> dict[str, tf.Tensor]:
    """Transform's entry point.

    Args:
        inputs: raw features of the schema; object features are sparse.
        custom_config: holds `data`, an `image_sections.ImageConfig` as JSON, and
            `pixels`, an `image_sections.PixelStatistics` as JSON; without that pixels
            are measured.

    Returns:
        The outputs named above.
    """
    data = image_sections.ImageConfig.model_validate_json(custom_config["data"])
    _count_categories(inputs)
    _count_images(inputs)
    encoded = tf.reshape(inputs[features.IMAGE_ENCODED].values, [-1])  # [B]
    mean, std = _pixel_statistics(encoded, custom_config.get("pixels"))
    outputs = encoded_to_network(encoded, data, mean, std)
    # Transform knows neither int32 nor dense tensors of unknown size.
    outputs[IMAGE] = tf.RaggedTensor.from_tensor(outputs[IMAGE], ragged_rank=2)
    for key in (CONTENT_SIZE, ORIGINAL_SIZE):
        outputs[key] = tf.cast(outputs[key], tf.int64)
    batch = tf.shape(encoded)[0]
    outputs[PIXEL_MEAN] = tf.tile(mean[None], [batch, 1])
    outputs[PIXEL_STD] = tf.tile(std[None], [batch, 1])
    return outputs


def encoded_to_network(
    encoded: tf.Tensor,
    data: image_sections.ImageConfig,
    mean: tf.Tensor,
    std: tf.Tensor,
) -> dict[str, tf.Tensor]:
    """Decodes a batch and lays it out on one canvas.

    Args:
        encoded: string [B], JPEG or PNG; turned as their Exif data says, which of
            stored pictures says nothing.
        mean, std: float32 [3] of RGB values 0..255.

    Returns:
        `IMAGE`, `CONTENT_SIZE` and `ORIGINAL_SIZE`.
    """

    def one(image_bytes: tf.Tensor):
        header = picture_headers.read(image_bytes)
        image = picture_headers.upright(decode(image_bytes), header.orientation)
        resized = resize_to_fit(image, data)
        ragged = tf.RaggedTensor.from_tensor(resized, ragged_rank=2)
        return ragged, tf.shape(resized)[:2], tf.shape(image)[:2]

    rows, content, original = tf.map_fn(
        one,
        encoded,
        fn_output_signature=(
            tf.RaggedTensorSpec([None, None, 3], tf.float32, ragged_rank=2),
            tf.TensorSpec([2], tf.int32),
            tf.TensorSpec([2], tf.int32),
        ),
    )
    canvas = _canvas_size(content, data.pad_multiple)
    pixels = rows.to_tensor(shape=[None, None, None, 3])  # [B, max h, max w, 3]
    pixels = _pad(pixels, canvas)
    return _finish(pixels, content, original, mean, std)


def pixels_to_network(
    images: tf.Tensor, data: image_sections.ImageConfig, mean: tf.Tensor, std: tf.Tensor
) -> dict[str, tf.Tensor]:
    """The same for images of one size that are already decoded.

    Args:
        images: uint8 [B, H, W, 3], RGB.
        mean, std: float32 [3] of RGB values 0..255.
    """
    checked = tf.debugging.assert_positive(
        tf.shape(images)[1:3],
        "images must be at least 1 px high and wide, their shape is [B, H, W, 3]",
    )
    # In a graph the resize would not wait for it, and may fail in its place.
    with tf.control_dependencies([checked]):
        images = tf.identity(images)
    shape = tf.shape(images)
    batch = shape[0]
    resized = resize_to_fit(images, data)
    size = tf.shape(resized)[None, 1:3]
    content = tf.tile(size, [batch, 1])
    original = tf.tile(shape[None, 1:3], [batch, 1])
    pixels = _pad(resized, _canvas_size(size, data.pad_multiple))
    return _finish(pixels, content, original, mean, std)


def decode(encoded: tf.Tensor) -> tf.Tensor:
    """Decodes one picture as Pillow does, to the last bit, and does not turn it.

    Args:
        encoded: string [], JPEG or PNG: gray, RGB, CMYK or of a palette; of 16 bits
            the lower 8 are left out, and so is transparency.

    Returns:
        uint8 [H, W, 3], RGB.
    """
    image = tf.cond(
        tf.io.is_jpeg(encoded),
        # TensorFlow's default is faster, and up to 20 levels off.
        lambda: tf.io.decode_jpeg(encoded, 3, dct_method="INTEGER_ACCURATE"),
        lambda: tf.io.decode_png(encoded, 3),
    )
    return tf.ensure_shape(image, [None, None, 3])


def resize_to_fit(images: tf.Tensor, data: image_sections.ImageConfig) -> tf.Tensor:
    """Scales until the short side is `short_side`, or the long one `long_side`.

    Args:
        images: uint8 [..., H, W, 3].

    Returns:
        float32 [..., h, w, 3], whole numbers 0..255, as an 8-bit resize gives.
    """
    size = tf.shape(images)[-3:-1]
    sides = tf.cast(size, tf.float32)
    scale = tf.minimum(
        data.short_side / tf.reduce_min(sides), data.long_side / tf.reduce_max(sides)
    )
    target = tf.maximum(tf.cast(tf.floor(sides * scale + 0.5), tf.int32), 1)
    resized = tf.image.resize(images, target, antialias=True)
    return tf.clip_by_value(tf.round(resized), 0.0, 255.0)


def normalise(images: tf.Tensor, mean: tf.Tensor, std: tf.Tensor) -> tf.Tensor:
    """Maps RGB values 0..255 to zero mean and unit deviation, float32."""
    return (tf.cast(images, tf.float32) - mean) / std


class ImageTransform(tf.Module):
    """The transform graph of a run, in a form that a SavedModel can carry.

    Attributes:
        mean, std: float32 [3], what training must normalise with as well.
    """

    def __init__(
        self, transform_graph: artifact_paths.Path, data: image_sections.ImageConfig
    ):
        super().__init__(name="image_transform")
        output = tft.TFTransformOutput(str(transform_graph))
        self._loader = saved_transform_io_v2.SavedModelLoader(
            output.transform_savedmodel_dir
        )
        self._data = data
        self._tracked = self._loader.__dict__  # its functions and tables are exported
        probe = self._apply(tf.io.encode_png(tf.zeros([1, 1, 3], tf.uint8))[None])
        self.mean = tf.constant(probe[PIXEL_MEAN][0].numpy())
        self.std = tf.constant(probe[PIXEL_STD][0].numpy())

    def from_encoded(self, encoded: tf.Tensor) -> dict[str, tf.Tensor]:
        """string [B] -> `IMAGE`, `CONTENT_SIZE`, `ORIGINAL_SIZE`."""
        outputs = self._apply(encoded)
        image = outputs[IMAGE].to_tensor(shape=[None, None, None, 3])
        sizes = {
            key: tf.cast(outputs[key], tf.int32)
            for key in (CONTENT_SIZE, ORIGINAL_SIZE)
        }
        # Rows of unknown length forget the canvas of an empty batch.
        canvas = _canvas_size(sizes[CONTENT_SIZE], self._data.pad_multiple)
        return {IMAGE: _pad(image, canvas), **sizes}

    def from_pixels(self, images: tf.Tensor) -> dict[str, tf.Tensor]:
        """uint8 [B, H, W, 3] -> `IMAGE`, `CONTENT_SIZE`, `ORIGINAL_SIZE`."""
        return pixels_to_network(images, self._data, self.mean, self.std)

    def _apply(self, encoded: tf.Tensor) -> dict[str, tf.Tensor]:
        batch = tf.shape(encoded, tf.int64)[0]
        rows = tf.stack([tf.range(batch), tf.zeros_like(tf.range(batch))], axis=1)
        sparse = tf.SparseTensor(rows, encoded, tf.stack([batch, 1]))
        return self._loader.apply_transform_model({features.IMAGE_ENCODED: sparse})


def read_categories(transform_graph: artifact_paths.Path) -> list[categories.Category]:
    """Classes of the training split, ascending by category id."""
    output = tft.TFTransformOutput(str(transform_graph))
    path = output.vocabulary_file_by_name(categories.VOCABULARY_NAME)
    with tf.io.gfile.GFile(path) as lines:
        return categories.from_vocabulary(lines)


def read_image_counts(transform_graph: artifact_paths.Path) -> dict[int, int]:
    """How many images of the training split have how many instances, crowds left out.

    Returns:
        Number of instances -> number of images.
    """
    output = tft.TFTransformOutput(str(transform_graph))
    path = output.vocabulary_file_by_name(_IMAGES_NAME)
    with tf.io.gfile.GFile(path) as lines:
        rows = [line.split() for line in lines]
    return {int(instances): int(float(count)) for count, instances in rows}


def _count_categories(inputs: Mapping[str, tf.SparseTensor]) -> None:
    """Counts the training instances of every category, crowds left out."""
    is_object = tf.equal(inputs[features.IS_CROWD].values, 0)
    tokens = categories.vocabulary_token(
        tf.boolean_mask(inputs[features.CATEGORY_ID].values, is_object),
        tf.boolean_mask(inputs[features.CATEGORY_NAME].values, is_object),
    )
    tft.vocabulary(
        tokens, vocab_filename=categories.VOCABULARY_NAME, store_frequency=True
    )


def _count_images(inputs: Mapping[str, tf.SparseTensor]) -> None:
    """Counts the training images by how many instances they have."""
    crowds = inputs[features.IS_CROWD]
    is_object = tf.cast(tf.equal(crowds.values, 0), tf.int64)
    batch = inputs[features.IMAGE_ENCODED].dense_shape[0]  # also those with no object
    instances = tf.math.unsorted_segment_sum(is_object, crowds.indices[:, 0], batch)
    tft.vocabulary(
        tf.strings.as_string(instances),
        vocab_filename=_IMAGES_NAME,
        store_frequency=True,
    )


def _pixel_statistics(
    encoded: tf.Tensor, given: str | None
) -> tuple[tf.Tensor, tf.Tensor]:
    """Mean and deviation per channel, float32 [3] each."""
    if given is not None:
        pixels = image_sections.PixelStatistics.model_validate_json(given)
        return tf.constant(pixels.mean), tf.constant(pixels.std)

    def moments(image_bytes: tf.Tensor) -> tf.Tensor:
        pixels = tf.cast(decode(image_bytes), tf.float32)
        squares = tf.reduce_mean(pixels**2, axis=[0, 1])
        return tf.stack([tf.reduce_mean(pixels, axis=[0, 1]), squares])  # [2, 3]

    signature = tf.TensorSpec([2, 3], tf.float32)
    per_image = tf.map_fn(moments, encoded, fn_output_signature=signature)
    mean, squares = tf.unstack(tft.mean(per_image, reduce_instance_dims=False))
    return mean, tf.sqrt(tf.maximum(squares - mean**2, 1.0))


def _canvas_size(content: tf.Tensor, multiple: int) -> tf.Tensor:
    """Smallest int32 [2] multiple that holds every content size int32 [B, 2]."""
    # An empty batch still gets a canvas: TFT traces and probes with one.
    largest = tf.maximum(tf.reduce_max(content, axis=0), 1)
    return -(-largest // multiple) * multiple


def _pad(pixels: tf.Tensor, canvas: tf.Tensor) -> tf.Tensor:
    """Pads float32 [B, h, w, 3] right and below to the canvas."""
    missing = canvas - tf.shape(pixels)[1:3]
    return tf.pad(pixels, [[0, 0], [0, missing[0]], [0, missing[1]], [0, 0]])


def _finish(
    pixels: tf.Tensor,
    content: tf.Tensor,
    original: tf.Tensor,
    mean: tf.Tensor,
    std: tf.Tensor,
) -> dict[str, tf.Tensor]:
    """Normalises what is image and leaves 0 where the canvas is empty."""
    rows = tf.sequence_mask(content[:, 0], tf.shape(pixels)[1], tf.float32)
    columns = tf.sequence_mask(content[:, 1], tf.shape(pixels)[2], tf.float32)
    inside = rows[:, :, None, None] * columns[:, None, :, None]
    image = normalise(pixels, mean, std) * inside
    return {IMAGE: image, CONTENT_SIZE: content, ORIGINAL_SIZE: original}
