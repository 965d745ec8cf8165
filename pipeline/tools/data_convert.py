"""What `m2f data convert` does: a dataset as TFRecords, or as repaired COCO."""

import itertools
import pathlib
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence

import msgspec
import numpy as np
import tensorflow as tf

from components import wire
from components.coco_example_gen import ingestion
from components.coco_example_gen.read import annotations, layouts
from components.coco_example_gen.write import plans
from foundation import progress
from model.examples import features, mask_rle, record_files
from pipeline.settings import config
from pipeline.tools import ingestion_processes

REPORT_FOLDER = "report"
_WORK_FOLDER = "work"
_RECORDS_FOLDER = "records"
_IMAGES_FOLDER = "images"
_COCO_NAMES = {wire.TRAIN_SPLIT: "train", wire.EVAL_SPLIT: "val"}
_SUFFIXES = {"jpeg": (".jpg", ".jpeg"), "png": (".png",)}


def to_tfrecord(
    roots: Sequence[pathlib.Path], settings: config.PipelineConfig, folder: pathlib.Path
) -> Mapping[str, Mapping]:
    """Writes `train/` and `eval/`, the records a run would train on, and a report.

    Args:
        folder: empty.

    Returns:
        Content of `summary.json`.

    Raises:
        CocoFormatError: the data cannot be used.
    """
    summary, _ = _ingest(roots, settings, folder, folder)
    shutil.rmtree(folder / _WORK_FOLDER)
    return summary


def to_coco(
    roots: Sequence[pathlib.Path], settings: config.PipelineConfig, folder: pathlib.Path
) -> Mapping[str, Mapping]:
    """Writes `annotations/instances_*.json`, `images/` and a report.

    Images are copied as they would be stored for training. Segmentations stay as they
    are where nothing had to be repaired; others, and masks of other formats, become
    compressed RLE. Boxes and areas are those of the masks. A file lists only the
    categories that it has instances of.

    Args:
        folder: empty.

    Returns:
        Content of `summary.json`.

    Raises:
        CocoFormatError: the data cannot be used.
    """
    records = folder / _RECORDS_FOLDER
    summary, work = _ingest(roots, settings, folder, records)
    (folder / "annotations").mkdir()
    names = _ImageNames()
    number = sum(counts["images"] for counts in summary["splits"].values())
    with progress.track("Writing COCO", number) as bar:
        for split, coco_name in _COCO_NAMES.items():
            shards = [shard for shard in work if shard.split == split]
            rows = _rows(shards, folder / _IMAGES_FOLDER, names, bar)
            _write_json(folder / "annotations" / f"instances_{coco_name}.json", rows)
    shutil.rmtree(folder / _WORK_FOLDER)
    shutil.rmtree(records)
    return summary


def _ingest(
    roots: Sequence[pathlib.Path],
    settings: config.PipelineConfig,
    folder: pathlib.Path,
    records: pathlib.Path,
) -> tuple[Mapping, list[plans.Shard]]:
    """Leaves the report, the records and the plans they were made by."""
    work: list[plans.Shard] = []

    def run_shards(shards: list[plans.Shard]) -> None:
        work.extend(shards)
        ingestion_processes.run(shards)

    summary = ingestion.ingest(
        layouts.detect_all(roots, settings.data.layout),
        settings.data.ingest_settings(),
        str(folder / _WORK_FOLDER),
        {name: str(records / name) for name in wire.SPLITS},
        str(folder / REPORT_FOLDER),
        run_shards,
    )
    return summary, work


class _ImageNames:
    """Gives each image a name that fits its format and that no other one has."""

    def __init__(self) -> None:
        self._taken: set[str] = set()

    def choose(self, file_name: str, image_format: str, image_id: int) -> str:
        path = pathlib.PurePosixPath(file_name)
        suffixes = _SUFFIXES[image_format]
        if path.suffix.lower() not in suffixes:
            path = path.with_suffix(suffixes[0])
        wanted, numbers = path, itertools.count(image_id)
        while str(path).lower() in self._taken:
            path = wanted.with_stem(f"{wanted.stem}-{next(numbers)}")
        self._taken.add(str(path).lower())
        return str(path)


def _rows(
    shards: Iterable[plans.Shard],
    images_folder: pathlib.Path,
    names: _ImageNames,
    bar: progress.Task,
) -> Iterator[tuple[dict, list[dict], dict[int, str]]]:
    """Copies images; gives the rows of each, of its objects, and their categories."""
    for shard in shards:
        planned = {
            (image.image_id, each.annotation_id): each
            for image in plans.read(shard.plan_path).images
            for each in image.objects
        }
        for record in tf.data.TFRecordDataset(
            shard.records_path, record_files.COMPRESSION
        ):
            example = features.parse_example(record)
            example = {key: value.numpy() for key, value in example.items()}
            image_id = int(example[features.IMAGE_ID])
            name = names.choose(
                example[features.IMAGE_FILENAME].decode(),
                example[features.IMAGE_FORMAT].decode(),
                image_id,
            )
            target = images_folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(example[features.IMAGE_ENCODED])
            image = {
                "id": image_id,
                "file_name": name,
                "height": int(example[features.IMAGE_HEIGHT]),
                "width": int(example[features.IMAGE_WIDTH]),
            }
            ids = example[features.CATEGORY_ID].tolist()
            texts = [text.decode() for text in example[features.CATEGORY_NAME]]
            objects = list(_object_rows(example, image, planned))
            yield image, objects, dict(zip(ids, texts, strict=True))
            bar.advance()


def _object_rows(
    example: Mapping[str, np.ndarray],
    image: Mapping[str, int],
    planned: Mapping[tuple[int, int], annotations.PlannedObject],
) -> Iterator[dict]:
    ends = np.cumsum(example[features.NUM_RUNS])[:-1]
    all_runs = np.split(example[features.RUN_LENGTHS], ends)
    height, width = image["height"], image["width"]
    for index, annotation_id in enumerate(example[features.ANNOTATION_ID].tolist()):
        runs = all_runs[index]
        source = planned[image["id"], annotation_id]
        yield {
            "id": annotation_id,
            "image_id": image["id"],
            "category_id": int(example[features.CATEGORY_ID][index]),
            "iscrowd": int(example[features.IS_CROWD][index]),
            "segmentation": _segmentation(source.segmentation, runs, height, width),
            "bbox": list(mask_rle.box_xywh_px(runs, height)),
            "area": mask_rle.area(runs),
        }


def _segmentation(
    given: msgspec.Raw, runs: np.ndarray, height: int, width: int
) -> list | dict:
    """What was given if it says the very mask, else the mask as compressed RLE."""
    try:
        content = msgspec.json.decode(given)
        drawn, dropped = mask_rle.runs_from_segmentation(content, height, width)
    except (mask_rle.MaskError, msgspec.DecodeError):
        return mask_rle.to_coco_rle(runs, height, width)
    if dropped or not np.array_equal(drawn, runs):
        return mask_rle.to_coco_rle(runs, height, width)
    return content


def _write_json(
    path: pathlib.Path, rows: Iterable[tuple[dict, list[dict], dict[int, str]]]
) -> None:
    """Writes a COCO file image by image, so that memory does not grow with them."""
    images: list[dict] = []
    categories: dict[int, str] = {}
    with path.open("wb") as file:
        file.write(b'{"annotations":[')
        separator = b""
        for image, objects, names in rows:
            images.append(image)
            categories |= names
            for row in objects:
                file.write(separator + msgspec.json.encode(row))
                separator = b",\n"
        table = [{"id": key, "name": categories[key]} for key in sorted(categories)]
        file.write(b'],\n"images":' + msgspec.json.encode(images))
        file.write(b',\n"categories":' + msgspec.json.encode(table) + b"}\n")
