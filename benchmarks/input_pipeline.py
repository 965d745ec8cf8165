"""Times the training input alone and prints one JSON line.

python -m benchmarks.input_pipeline {photos,large} [--data DIR]

`photos` are 640 x 480 px with 7 objects, as COCO's are on average; `large` ones are
4000 x 3000 px with 100 objects. `--data` takes a dataset instead of making one.
"""

import argparse
import json
import pathlib
import resource
import tempfile
import time

import numpy as np
import tensorflow as tf
from PIL import Image

from model import config as model_config
from model import image_sections
from model.examples import categories, dataset, features
from pipeline.settings import config
from pipeline.tools import data_convert

_SHAPES = {"photos": (480, 640, 7, 64), "large": (3000, 4000, 100, 8)}
_WARM_UP = 4  # batches


def main() -> None:
    """Runs the workload that the arguments name."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("workload", choices=tuple(_SHAPES))
    parser.add_argument("--data", type=pathlib.Path)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--batches", type=int, default=40)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        data = args.data or _synthetic(folder / "coco", *_SHAPES[args.workload])
        data_convert.to_tfrecord([data], config.PipelineConfig(), folder / "out")
        files = sorted(map(str, (folder / "out").glob("*/*.gz")))
        settings = model_config.TrainConfig(batch_size=args.batch)
        print(json.dumps(measure(files, settings, args.batches)))


def measure(
    files: list[str], settings: model_config.TrainConfig, batches: int
) -> dict[str, float]:
    """Draws batches as fast as they come.

    Args:
        files: TFRecord files, gzip-compressed.

    Returns:
        Images a second, processor milliseconds an image, and the peak of the process's
        memory in MiB.
    """
    found = dataset.train_dataset(
        files,
        _classes(files),
        settings,
        np.float32(image_sections.IMAGENET_PIXELS.mean),
        np.float32(image_sections.IMAGENET_PIXELS.std),
        seed=0,
    )
    drawn = iter(found)
    for _ in range(_WARM_UP):
        next(drawn)
    start, processor = time.perf_counter(), time.process_time()
    for _ in range(batches):
        next(drawn)
    images = batches * settings.batch_size
    return {
        "images_per_second": images / (time.perf_counter() - start),
        "processor_ms_per_image": 1e3 * (time.process_time() - processor) / images,
        "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def _classes(files: list[str]) -> list[categories.Category]:
    ids = set()
    for record in tf.data.TFRecordDataset(files, "GZIP"):
        example = features.parse_example(record, [features.CATEGORY_ID])
        ids |= set(example[features.CATEGORY_ID].numpy().tolist())
    return [categories.Category(key, str(key), 0) for key in sorted(ids)]


def _synthetic(
    folder: pathlib.Path, height: int, width: int, num_objects: int, num_images: int
) -> pathlib.Path:
    """Smooth noise with regular 24-gons on it."""
    rng = np.random.default_rng(0)
    folder.mkdir(parents=True)
    images, annotations = [], []
    turn = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    for image_id in range(1, num_images + 1):
        coarse = rng.integers(0, 256, [height // 16, width // 16, 3]).astype(np.uint8)
        name = f"{image_id}.jpg"
        Image.fromarray(coarse).resize((width, height)).save(folder / name, quality=90)
        size = {"height": height, "width": width}
        images.append({"id": image_id, "file_name": name, **size})
        for _ in range(num_objects):
            radius = rng.uniform(0.03, 0.15) * height
            x, y = rng.uniform(radius, width - radius), rng.uniform(radius, height)
            points = np.stack([x + radius * np.cos(turn), y + radius * np.sin(turn)], 1)
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": image_id,
                    "category_id": 1,
                    "segmentation": [points.round(2).ravel().tolist()],
                }
            )
    content = {"images": images, "annotations": annotations}
    content["categories"] = [{"id": 1, "name": "disk"}]
    (folder / "coco.json").write_text(json.dumps(content))
    return folder


if __name__ == "__main__":
    main()
