"""Cuts the work into shards: files that say which images go into which records file.

Shards depend on the data alone, so any number of workers writes the same bytes, and
a worker holds the annotations of one shard only.
"""

import dataclasses
import json
import math
import pathlib
from collections.abc import Mapping, Sequence

import tensorflow as tf

from components.coco_example_gen import annotations

IMAGES_PER_SHARD = 256


@dataclasses.dataclass(frozen=True)
class Shard:
    """Where one unit of work reads its plan and leaves its records and its result."""

    split: str
    plan_path: str
    records_path: str
    result_path: str


@dataclasses.dataclass(frozen=True)
class Plan:
    """Consecutive images of one split."""

    root: pathlib.Path
    image_folders: tuple[pathlib.Path, ...]
    images: list[annotations.PlannedImage]


def write(
    splits: Sequence[annotations.PlannedSplit],
    root: pathlib.Path,
    work_folder: str,
    record_folders: Mapping[str, str],
) -> list[Shard]:
    """Writes the plans.

    Args:
        work_folder: where plans and results go; every worker can reach it.
        record_folders: where the records of each split go.
    """
    shards = []
    for split in splits:
        tf.io.gfile.makedirs(record_folders[split.name])
        num_shards = max(1, math.ceil(len(split.images) / IMAGES_PER_SHARD))
        for index in range(num_shards):
            name = f"{split.name}-{index:05d}-of-{num_shards:05d}"
            shard = Shard(
                split.name,
                f"{work_folder}/plan-{name}.json",
                # The name stock example gens give, which downstream nodes look for.
                f"{record_folders[split.name]}/data_tfrecord-{index:05d}-of-"
                f"{num_shards:05d}.gz",
                f"{work_folder}/result-{name}.json",
            )
            first = index * IMAGES_PER_SHARD
            content = {
                "root": str(root),
                "image_folders": [str(f) for f in split.source.image_folders],
                "images": split.images[first : first + IMAGES_PER_SHARD],
            }
            write_text(shard.plan_path, json.dumps(content, default=vars))
            shards.append(shard)
    return shards


def read(path: str) -> Plan:
    """Reads one plan that `write` left."""
    content = json.loads(read_text(path))
    images = [
        annotations.PlannedImage(
            **{
                **row,
                "objects": [annotations.PlannedObject(**o) for o in row["objects"]],
            }
        )
        for row in content["images"]
    ]
    folders = tuple(pathlib.Path(folder) for folder in content["image_folders"])
    return Plan(pathlib.Path(content["root"]), folders, images)


def write_text(path: str, text: str) -> None:
    with tf.io.gfile.GFile(path, "w") as file:
        file.write(text)


def read_text(path: str) -> str:
    with tf.io.gfile.GFile(path, "r") as file:
        return file.read()
