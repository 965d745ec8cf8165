import io

import numpy as np
import PIL.Image
import PIL.ImageOps
import pytest
import tensorflow as tf
import tensorflow_transform.beam as tft_beam
from tensorflow_transform.tf_metadata import dataset_metadata, schema_utils

from model import image_sections
from model.examples import categories, features, preprocessing

DATA = image_sections.ImageConfig(short_side=64, long_side=64, pad_multiple=64)
SPEC = {
    features.IMAGE_ENCODED: tf.io.VarLenFeature(tf.string),
    features.IS_CROWD: tf.io.VarLenFeature(tf.int64),
    features.CATEGORY_ID: tf.io.VarLenFeature(tf.int64),
    features.CATEGORY_NAME: tf.io.VarLenFeature(tf.string),
}
SIZES = ((40, 60), (64, 64), (100, 30))


@pytest.fixture(scope="module")
def images():
    generator = np.random.default_rng(0)
    return [generator.integers(0, 256, (*size, 3), np.uint8) for size in SIZES]


@pytest.fixture(scope="module")
def encoded(images):
    return tf.stack([tf.io.encode_png(image) for image in images])


@pytest.fixture(scope="module")
def transform_graph(encoded, tmp_path_factory):
    folder = tmp_path_factory.mktemp("transform")
    rows = [
        {
            features.IMAGE_ENCODED: [image],
            features.IS_CROWD: [0, 1, 0],
            features.CATEGORY_ID: [22, 3, 7],
            features.CATEGORY_NAME: [b"z", b"crowd only", b"a dog"],
        }
        for image in encoded.numpy()
    ]
    nothing = dict.fromkeys(features.OBJECT_KEYS, [])
    rows.append({key: nothing.get(key, value) for key, value in rows[0].items()})
    metadata = dataset_metadata.DatasetMetadata(
        schema_utils.schema_from_feature_spec(SPEC)
    )
    settings = {"data": DATA.model_dump_json()}
    with tft_beam.Context(temp_dir=str(folder / "tmp")):
        transform_fn = (rows, metadata) | tft_beam.AnalyzeDataset(
            lambda inputs: preprocessing.preprocessing_fn(inputs, settings)
        )
        _ = transform_fn | tft_beam.WriteTransformFn(str(folder / "graph"))
    return folder / "graph"


@pytest.fixture(scope="module")
def transform(transform_graph):
    return preprocessing.ImageTransform(transform_graph, DATA)


def test_categories_are_those_with_instances_that_are_no_crowd(transform_graph):
    assert preprocessing.read_categories(transform_graph) == [
        categories.Category(7, "a dog", 3),
        categories.Category(22, "z", 3),
    ]


def test_images_are_counted_by_their_instances_that_are_no_crowd(transform_graph):
    assert preprocessing.read_image_counts(transform_graph) == {2: 3, 0: 1}


def test_dataset_statistics_weigh_every_image_alike(transform, images):
    images = [*images, images[0]]
    means = np.mean([image.reshape(-1, 3).mean(0) for image in images], axis=0)
    squares = np.mean(
        [(image.astype(float) ** 2).reshape(-1, 3).mean(0) for image in images], axis=0
    )
    np.testing.assert_allclose(transform.mean, means, rtol=1e-4)
    np.testing.assert_allclose(transform.std, np.sqrt(squares - means**2), rtol=1e-4)


def test_images_are_fitted_into_one_canvas_and_padded_with_zero(transform, encoded):
    found = transform.from_encoded(encoded)
    assert found[preprocessing.IMAGE].shape == (3, 64, 64, 3)
    # 40x60 by 64/60 is 42.67 x 64; 100x30 by 64/100 is 64 x 19.2.
    assert found[preprocessing.CONTENT_SIZE].numpy().tolist() == [
        [43, 64],
        [64, 64],
        [64, 19],
    ]
    assert found[preprocessing.ORIGINAL_SIZE].numpy().tolist() == [
        list(size) for size in SIZES
    ]
    assert not found[preprocessing.IMAGE][0, 43:].numpy().any()
    assert not found[preprocessing.IMAGE][2, :, 19:].numpy().any()


def test_an_image_that_needs_no_resize_is_only_normalised(transform, encoded, images):
    found = transform.from_encoded(encoded[1:2])[preprocessing.IMAGE][0]
    wanted = (images[1] - transform.mean.numpy()) / transform.std.numpy()
    np.testing.assert_allclose(found, wanted, atol=1e-5)


def test_bytes_and_pixels_give_the_same_network_input(transform, encoded, images):
    for index, image in enumerate(images):
        from_bytes = transform.from_encoded(encoded[index : index + 1])
        from_pixels = transform.from_pixels(tf.constant(image[None]))
        for key, value in from_bytes.items():
            np.testing.assert_allclose(value, from_pixels[key], atol=1e-5)


def test_an_empty_batch_has_a_canvas_that_the_network_can_look_at(transform):
    found = transform.from_encoded(tf.constant([], tf.string))
    rows, height, width, _ = found[preprocessing.IMAGE].shape
    assert rows == 0
    assert height == width == DATA.pad_multiple


def test_the_transform_graph_survives_in_another_saved_model(
    transform, encoded, tmp_path
):
    class Carrier(tf.Module):
        def __init__(self):
            super().__init__()
            self.transform = transform

        @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
        def serve(self, images):
            return self.transform.from_encoded(images)

    tf.saved_model.save(Carrier(), str(tmp_path))
    found = tf.saved_model.load(str(tmp_path)).serve(encoded)
    wanted = transform.from_encoded(encoded)
    np.testing.assert_allclose(
        found[preprocessing.IMAGE], wanted[preprocessing.IMAGE], atol=1e-5
    )


@pytest.mark.parametrize("size", [(480, 640), (640, 480), (300, 1200)])
def test_resize_follows_short_side_and_long_side(size):
    data = image_sections.ImageConfig(short_side=80, long_side=133)
    image = tf.zeros([*size, 3], tf.uint8)
    found = preprocessing.resize_to_fit(image, data).shape[:2]
    scale = min(80 / min(size), 133 / max(size))
    assert tuple(found) == tuple(int(side * scale + 0.5) for side in size)


def test_shrinking_equals_pillows_bilinear_filter():
    generator = np.random.default_rng(1)
    coarse = generator.integers(0, 256, (12, 16, 3), np.uint8)
    image = PIL.Image.fromarray(coarse).resize((160, 120), PIL.Image.Resampling.BICUBIC)
    data = image_sections.ImageConfig(short_side=45, long_side=60)
    found = preprocessing.resize_to_fit(tf.constant(np.asarray(image)), data).numpy()
    wanted = np.asarray(image.resize((60, 45), PIL.Image.Resampling.BILINEAR))
    assert np.abs(found - wanted.astype(float)).max() <= 1.0


def stored(mode, image_format, exif=b""):
    """A file of noise in a mode of Pillow's, and its 8-bit RGB pixels."""
    noise = np.random.default_rng(2).integers(0, 256, (21, 30, 4), np.uint8)
    image = PIL.Image.fromarray(noise, "RGBA")
    if mode == "I;16":
        image = PIL.Image.fromarray(noise[..., 0].astype(np.uint16) * 257)
    image = image.convert(mode) if image.mode != mode else image
    buffer = io.BytesIO()
    image.save(buffer, image_format, exif=exif)
    image = PIL.Image.open(buffer)
    if mode == "I;16":
        image = PIL.Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    return buffer.getvalue(), np.asarray(image.convert("RGB"))


@pytest.mark.parametrize(
    ("mode", "image_format"),
    [
        *[(mode, "JPEG") for mode in ("RGB", "L", "CMYK")],
        *[(mode, "PNG") for mode in ("RGB", "L", "LA", "P", "RGBA", "I;16", "1")],
    ],
)
def test_every_kind_is_decoded_as_by_pillow(mode, image_format):
    content, wanted = stored(mode, image_format)
    np.testing.assert_array_equal(preprocessing.decode(content).numpy(), wanted)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_turned_file_gives_what_its_turned_pixels_give(transform, orientation):
    exif = PIL.Image.Exif()
    exif[0x0112] = orientation
    content, _ = stored("RGB", "JPEG", exif.tobytes())
    shown = PIL.ImageOps.exif_transpose(PIL.Image.open(io.BytesIO(content)))
    found = transform.from_encoded(tf.constant([content]))
    wanted = transform.from_pixels(np.asarray(shown)[None])
    for key, value in wanted.items():
        np.testing.assert_allclose(found[key], value, atol=1e-5)
    assert found["original_size"].numpy().tolist() == [[*np.asarray(shown).shape[:2]]]


def test_given_statistics_need_no_pass_over_the_pixels():
    given = image_sections.PixelStatistics(mean=(1.0, 2.0, 3.0), std=(4.0, 5.0, 6.0))
    text = given.model_dump_json()
    mean, std = preprocessing._pixel_statistics(tf.constant([b"no image"]), text)
    np.testing.assert_allclose(mean, [1, 2, 3])
    np.testing.assert_allclose(std, [4, 5, 6])
