"""Cuts the work into shards: files that say which images go into which records file.

Shards depend on the data alone, so any number of workers writes the same bytes, and
a worker holds the annotations of one shard only.
"""

import dataclasses
import math
from collections.abc import Mapping, Sequence

import msgspec
import tensorflow as tf

from components.coco_example_gen import ingest_settings, problems
from components.coco_example_gen.read import annotations
from model.examples import record_files

IMAGES_PER_SHARD = 256


@dataclasses.dataclass(frozen=True)
class Shard:
    """Where one unit of work reads its plan and leaves its records and its result.

    Attributes:
        staged_path: of the records until those of every shard are written.
        records_path: where they go then.
        problems_path: every problem of the shard, one JSON object a line.
        result_path: written last.
    """

    split: str
    plan_path: str
    staged_path: str
    records_path: str
    problems_path: str
    result_path: str


class Plan(msgspec.Struct, frozen=True):
    """Consecutive images of one split, and what a worker has to know about them."""

    on_problem: problems.OnProblem
    max_pixels: int
    sources: list[annotations.ImageSource]
    images: list[annotations.PlannedImage]


def write(
    splits: Sequence[annotations.PlannedSplit],
    settings: ingest_settings.IngestSettings,
    work_folder: str,
    record_folders: Mapping[str, str],
) -> list[Shard]:
    """Writes the plans.

    Args:
        work_folder: where plans and results go; every worker can reach it.
        record_folders: where the records of each split will go.
    """
    shards = []
    tf.io.gfile.makedirs(work_folder)
    for split in splits:
        num_shards = max(1, math.ceil(len(split.images) / IMAGES_PER_SHARD))
        for index in range(num_shards):
            part = f"{index:05d}-of-{num_shards:05d}"
            name = f"{work_folder}/{split.name}-{part}"
            shard = Shard(
                split.name,
                f"{name}.plan.json",
                f"{name}.records.gz",
                f"{record_folders[split.name]}/{record_files.PREFIX}{part}{record_files.SUFFIX}",
                f"{name}.problems.jsonl",
                f"{name}.result.json",
            )
            first = index * IMAGES_PER_SHARD
            plan = Plan(
                settings.on_problem,
                settings.max_pixels,
                list(split.sources),
                split.planned(first, first + IMAGES_PER_SHARD),
            )
            write_bytes(shard.plan_path, msgspec.json.encode(plan))
            shards.append(shard)
    return shards


def read(path: str) -> Plan:
    """Reads one plan that `write` left."""
    return msgspec.json.decode(read_bytes(path), type=Plan)


def write_text(path: str, text: str) -> None:
    write_bytes(path, text.encode("utf-8", "replace"))  # of names that are not UTF-8


def write_bytes(path: str, content: bytes) -> None:
    with tf.io.gfile.GFile(path, "wb") as file:
        file.write(content)


def read_bytes(path: str) -> bytes:
    with tf.io.gfile.GFile(path, "rb") as file:
        return file.read()
