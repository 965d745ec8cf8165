"""What a Beam worker does: reads the images of one shard and writes its records."""

import collections
import contextlib
import dataclasses
import hashlib
import json
import os
import pathlib
from collections.abc import Iterator

import tensorflow as tf

from components.coco_example_gen import (
    annotations,
    examples,
    figures,
    pictures,
    plans,
    problems,
)
from pipeline import progress

_bar: progress.Task | None = None  # a worker in a process of its own has none


@dataclasses.dataclass
class Result:
    """What became of one shard, or of several added up.

    Attributes:
        objects: instances per category_id, crowds left out.
        names: category names of those ids.
        pictures: SHA-256 of the stored bytes -> image file below the data root.
    """

    images: int = 0
    images_without_objects: int = 0
    crowds: int = 0
    objects: collections.Counter[int] = dataclasses.field(
        default_factory=collections.Counter
    )
    names: dict[int, str] = dataclasses.field(default_factory=dict)
    pictures: dict[str, str] = dataclasses.field(default_factory=dict)
    histograms: figures.Figures = dataclasses.field(default_factory=figures.Figures)


@contextlib.contextmanager
def advancing(bar: progress.Task) -> Iterator[None]:
    """Moves `bar` on by one for every image that a thread of this process reads."""
    global _bar
    _bar = bar
    try:
        yield
    finally:
        _bar = None


def write_records(shard: plans.Shard) -> None:
    """Writes the records of one shard, and what was found while doing so.

    A repeated or interrupted call leaves no half-written records behind.
    """
    plan = plans.read(shard.plan_path)
    log = problems.ProblemLog()
    result = Result()
    partial = f"{shard.result_path}.records"
    with tf.io.TFRecordWriter(partial, options="GZIP") as writer:
        for image in plan.images:
            record = _record_of(image, plan, log, result)
            if record is not None:
                writer.write(record)
            if _bar is not None:
                _bar.advance()
    tf.io.gfile.rename(partial, shard.records_path, overwrite=True)
    content = {
        "result": vars(result),
        "counts": log.counts,
        "examples": [dataclasses.asdict(problem) for problem in log.examples],
    }
    plans.write_text(shard.result_path, json.dumps(content, default=vars))


def read_results(
    shards: list[plans.Shard], log: problems.ProblemLog
) -> dict[str, Result]:
    """Adds the results up by split, and their problems to the log."""
    total: dict[str, Result] = {}
    for shard in shards:
        content = json.loads(plans.read_text(shard.result_path))
        found = [problems.Problem(**row) for row in content["examples"]]
        log.merge(content["counts"], found)
        part, so_far = content["result"], total.setdefault(shard.split, Result())
        so_far.images += part["images"]
        so_far.images_without_objects += part["images_without_objects"]
        so_far.crowds += part["crowds"]
        for category_id, count in part["objects"].items():  # JSON keys are texts
            so_far.objects[int(category_id)] += count
        so_far.names |= {int(key): name for key, name in part["names"].items()}
        so_far.pictures |= part["pictures"]
        so_far.histograms.add(part["histograms"])
    return total


def _record_of(
    image: annotations.PlannedImage,
    plan: plans.Plan,
    log: problems.ProblemLog,
    result: Result,
) -> bytes | None:
    """Serializes one image; None when it has to be dropped."""
    path = _locate(image, plan, log)
    if path is None:
        return None
    file = os.path.relpath(path, plan.root)
    try:
        picture = pictures.load(path, image.height, image.width)
    except pictures.BrokenImageError as error:
        _add(log, "broken_image", file, image, str(error), "image left out")
        return None
    except pictures.SizeMismatchError as error:
        _add(log, "size_mismatch", file, image, str(error), "stopped")
        return None
    for kind, message in picture.notes:
        _add(log, kind, file, image, message, "kept")
    drawn = examples.draw_objects(image, file, log)
    if not drawn:
        message = "no object is annotated, or none is left"
        _add(log, "image_without_objects", file, image, message, "kept")
    _count(image, file, drawn, result)
    result.pictures[hashlib.sha256(picture.encoded).hexdigest()] = file
    return examples.build(image, picture, file, drawn)


def _locate(
    image: annotations.PlannedImage, plan: plans.Plan, log: problems.ProblemLog
) -> pathlib.Path | None:
    for folder in plan.image_folders:
        path = folder / image.file_name
        if not path.is_file():
            continue
        if path.resolve().is_relative_to(plan.root.resolve()):
            return path
        message = f"links to {path.resolve()}, outside of {plan.root}; copy it inside"
        _add(log, "unsafe_path", image.file_name, image, message, "stopped")
        return None
    folders = ", ".join(
        os.path.relpath(folder, plan.root) + "/" for folder in plan.image_folders
    )
    message = f"no such file in {folders}"
    _add(log, "missing_image", image.file_name, image, message, "image left out")
    return None


def _count(
    image: annotations.PlannedImage,
    file: str,
    drawn: list[examples.DrawnObject],
    result: Result,
) -> None:
    result.images += 1
    result.images_without_objects += not drawn
    instances = []
    for found in drawn:
        if found.planned.is_crowd:
            result.crowds += 1
            continue
        category_id = found.planned.category_id
        result.objects[category_id] += 1
        result.names[category_id] = found.planned.category_name
        instances.append(figures.Instance(category_id, found.area))
    result.histograms.count(image.image_id, file, image.height, image.width, instances)


def _add(
    log: problems.ProblemLog,
    kind: str,
    file: str,
    image: annotations.PlannedImage,
    message: str,
    action: str,
) -> None:
    log.add(problems.Problem(kind, file, message, action, image.image_id))
