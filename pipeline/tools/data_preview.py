"""What `m2f data preview` does: draws training images as the network gets them."""

import dataclasses
import io
import pathlib
import random
import shutil
from collections.abc import Mapping, Sequence

import numpy as np
import tensorflow as tf
from PIL import Image

from components import wire
from components.coco_example_gen import ingestion, problems
from components.coco_example_gen.read import annotations, layouts
from components.coco_example_gen.write import plans, shards
from foundation import drawing, errors, html_page, progress
from model import config as model_config
from model import image_sections
from model.examples import (
    categories,
    dataset,
    features,
    mask_rle,
    record_files,
)
from pipeline.settings import config

PAGE_FILE = "index.html"
_TEMPLATE = "preview.html"
_WORK_FOLDER = "work"
_THUMBNAIL_SIDE = 512  # px, of the pictures that are part of the page
_MEAN = np.array(image_sections.IMAGENET_PIXELS.mean, np.float32)
_STD = np.array(image_sections.IMAGENET_PIXELS.std, np.float32)


@dataclasses.dataclass(frozen=True)
class Fed:
    """What the network gets of one image.

    Attributes:
        source: image file below the data root.
        pixels: uint8 [S, S, 3], RGB; the mean colour where padded.
        masks: uint8 [N, S, S] in {0, 1}.
        classes: of the instances, N.
    """

    source: str
    pixels: np.ndarray
    masks: np.ndarray
    classes: tuple[categories.Category, ...]


def write(
    roots: Sequence[pathlib.Path],
    settings: config.PipelineConfig,
    folder: pathlib.Path,
    count: int,
    seed: int,
) -> int:
    """Draws images of the training split, chosen and augmented by the seed.

    Only those images are read. When there are fewer than `count`, they come again with
    another augmentation.

    Args:
        folder: empty; gets the pictures and the page.

    Returns:
        The number of pictures.

    Raises:
        CocoFormatError: the data cannot be used.
        UserError: no training image can be shown.
    """
    records = _ingest_some(roots, settings, folder / _WORK_FOLDER, count, seed)
    shutil.rmtree(folder / _WORK_FOLDER)
    if not records:
        raise errors.UserError(
            f"{', '.join(map(str, roots))}: no training image can be shown. "
            "`m2f data check` says why."
        )
    shown = _draw_all(records, settings.train, folder, count, seed)
    augment = settings.train.augment
    content = {"pictures": shown, "seed": seed, "augment": augment.model_dump()}
    page = html_page.render("pipeline.tools", _TEMPLATE, content)
    (folder / PAGE_FILE).write_text(page, encoding="utf-8")
    return count


def _draw_all(
    records: Sequence[bytes],
    settings: model_config.TrainConfig,
    folder: pathlib.Path,
    count: int,
    seed: int,
) -> list[dict[str, object]]:
    """Writes the pictures; returns what the page needs of each."""
    feeding = _Feeding(records, settings)
    colours = drawing.class_colours([each.category_id for each in feeding.classes])
    shown = []
    with progress.track("Drawing", count) as bar:
        for number in range(count):
            fed = feeding.feed(records[number % len(records)], (seed, number))
            picture = draw(fed, colours)
            file = f"{number:04d}.png"
            picture.save(folder / file)
            names = ", ".join(each.name for each in fed.classes) or "no instance"
            shown.append({"file": file, "source": fed.source, "names": names})
            shown[-1] |= _thumbnail(picture)
            bar.advance()
    return shown


def draw(fed: Fed, colours: Mapping[int, drawing.Colour]) -> Image.Image:
    """Draws the instances on the image, with their names."""
    height, width = fed.masks.shape[1:]
    instances = []
    for mask, category in zip(fed.masks, fed.classes, strict=True):
        runs = mask_rle.runs_from_mask(mask)
        instances.append(
            drawing.Instance(
                mask_rle.to_coco_rle(runs, height, width),
                mask_rle.box_xywh_px(runs, height),
                category.name,
                colours[category.category_id],
            )
        )
    return drawing.draw_instances(Image.fromarray(fed.pixels), instances)


class _Feeding:
    """Loads records as training does.

    Attributes:
        classes: of the records, ascending by id.
    """

    def __init__(self, records: Sequence[bytes], settings: model_config.TrainConfig):
        self.classes = _classes(records)
        lookup = categories.class_index_lookup(self.classes)

        def load(record: tf.Tensor, seed: tf.Tensor) -> dict[str, tf.Tensor]:
            return dataset.load_example(record, lookup, settings, _MEAN, _STD, seed)

        self._load = tf.function(load, reduce_retracing=True)

    def feed(self, record: bytes, seed: tuple[int, int]) -> Fed:
        """Loads one record with the augmentation of a seed."""
        fed = self._load(tf.constant(record), tf.constant(seed))
        count = int(fed["num_instances"])
        name = features.parse_example(record, [features.IMAGE_FILENAME])
        pixels = fed["images"].numpy() * _STD + _MEAN
        return Fed(
            name[features.IMAGE_FILENAME].numpy().decode(),
            np.clip(np.round(pixels), 0, 255).astype(np.uint8),
            fed["masks"].numpy()[:count],
            tuple(self.classes[index] for index in fed["class_index"].numpy()[:count]),
        )


def _ingest_some(
    roots: Sequence[pathlib.Path],
    settings: config.PipelineConfig,
    work_folder: pathlib.Path,
    count: int,
    seed: int,
) -> list[bytes]:
    """Records of some training images, drawn by lot.

    An image that cannot be used is left out, and so is one without instances where
    training leaves it out.
    """
    data = layouts.detect_all(roots, settings.data.layout)
    ingest_settings = settings.data.ingest_settings()
    log = problems.ProblemLog(ingest_settings.on_problem)
    with progress.track("Reading annotations"):
        splits = annotations.read_splits(data, ingest_settings, log)
    train = next(split for split in splits if split.name == wire.TRAIN_SPLIT)
    images = list(train.images)
    if not settings.train.keep_empty_images:
        images = [image for image in images if train.annotations.get(image.id)]
    # As many again as are wanted, for those that turn out not to be usable.
    chosen = random.Random(seed).sample(images, min(2 * count, len(images)))  # noqa: S311
    folders = {wire.TRAIN_SPLIT: str(work_folder)}
    drawn = dataclasses.replace(train, images=chosen)
    work = plans.write([drawn], ingest_settings, str(work_folder), folders)
    with (
        progress.track("Reading images", len(chosen)) as bar,
        shards.advancing(bar),
    ):
        ingestion.run_here(work)
    files = [shard.staged_path for shard in work]
    return list(record_files.read(files).take(count).as_numpy_iterator())


def _classes(records: Sequence[bytes]) -> list[categories.Category]:
    found: dict[int, str] = {}
    for record in records:
        keys = (features.CATEGORY_ID, features.CATEGORY_NAME)
        example = features.parse_example(record, keys)
        ids = example[features.CATEGORY_ID].numpy().tolist()
        names = example[features.CATEGORY_NAME].numpy().tolist()
        found |= {key: name.decode() for key, name in zip(ids, names, strict=True)}
    return [categories.Category(key, found[key], 0) for key in sorted(found)]


def _thumbnail(picture: Image.Image) -> dict[str, object]:
    """What the page needs of a picture."""
    small = picture.copy()
    small.thumbnail((_THUMBNAIL_SIDE, _THUMBNAIL_SIDE))
    jpeg = io.BytesIO()
    small.save(jpeg, "JPEG", quality=85)
    url = html_page.data_url(jpeg.getvalue())
    return {"url": url, "width": small.width, "height": small.height}
