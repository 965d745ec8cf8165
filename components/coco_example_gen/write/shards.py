"""What a Beam worker does: reads the images of one shard and writes its records."""

import collections
import contextlib
import os
import pathlib
import typing
from collections.abc import Iterable, Iterator

import msgspec
import tensorflow as tf

from components.coco_example_gen import problems, safe_paths
from components.coco_example_gen.read import (
    annotations,
    labelme_pictures,
    panoptic_masks,
    pictures,
)
from components.coco_example_gen.write import examples, figures, plans
from foundation import progress
from model.examples import record_files

# Pictures are compressed already, and run lengths are short: gzip, which downstream
# nodes look for, would take a fifth of the time here to make records 0.4% smaller.
_RECORD_OPTIONS = tf.io.TFRecordOptions(record_files.COMPRESSION, compression_level=0)
_bar: progress.Task | None = None  # a worker in a process of its own has none


class Stored(typing.NamedTuple):
    """An image by its file below the data root and its id."""

    file: str
    image_id: int

    def __str__(self) -> str:
        return f"{self.file} (image {self.image_id})"


class Result(msgspec.Struct):
    """What became of one shard, or of several added up.

    Attributes:
        objects: instances per category_id, crowds left out.
        names: category names of those ids.
        pictures: SHA-256 of the stored bytes -> the first image that has them.
        sources: images by the position of their root.
    """

    images: int = 0
    images_without_objects: int = 0
    crowds: int = 0
    objects: collections.Counter[int] = msgspec.field(
        default_factory=collections.Counter
    )
    names: dict[int, str] = msgspec.field(default_factory=dict)
    pictures: dict[str, Stored] = msgspec.field(default_factory=dict)
    sources: collections.Counter[int] = msgspec.field(
        default_factory=collections.Counter
    )
    histograms: figures.Figures = msgspec.field(default_factory=figures.Figures)


class _Outcome(msgspec.Struct):
    """What a shard leaves: its result, and counts and examples of its problems."""

    result: Result
    counts: dict[str, int]
    examples: list[problems.Problem]


@contextlib.contextmanager
def advancing(bar: progress.Task) -> Iterator[None]:
    """Moves `bar` on by one for every image that a thread of this process reads."""
    global _bar
    _bar = bar
    try:
        yield
    finally:
        _bar = None


def advance(images: int) -> None:
    """Moves the bar on for images that were read here or in another process."""
    if _bar is not None:
        _bar.advance(images)


def write_records(shard: plans.Shard) -> None:
    """Writes the records of one shard aside, and what was found while doing so.

    Repeated or interrupted calls lead to the same files; the result comes last.
    """
    plan = plans.read(shard.plan_path)
    result = Result()
    with (
        tf.io.gfile.GFile(shard.problems_path, "w") as record,
        tf.io.TFRecordWriter(shard.staged_path, _RECORD_OPTIONS) as writer,
    ):
        record.write("")  # or a shard without problems would leave no file
        log = problems.ProblemLog(plan.on_problem, record)
        for image in plan.images:
            serialized = _record_of(image, plan, log, result)
            if serialized is not None:
                writer.write(serialized)
            advance(1)
    outcome = _Outcome(result, log.counts, log.examples)
    plans.write_bytes(shard.result_path, msgspec.json.encode(outcome))


def publish(shards: Iterable[plans.Shard]) -> None:
    """Moves the records of finished shards to where they belong."""
    for shard in shards:
        tf.io.gfile.rename(shard.staged_path, shard.records_path, overwrite=True)


def read_results(
    shards: list[plans.Shard], log: problems.ProblemLog
) -> dict[str, Result]:
    """Adds the results up by split, and their problems to the log."""
    total: dict[str, Result] = {}
    for shard in shards:
        content = plans.read_bytes(shard.result_path)
        outcome = msgspec.json.decode(content, type=_Outcome, dec_hook=_counter)
        with tf.io.gfile.GFile(shard.problems_path, "r") as lines:
            log.merge(outcome.counts, outcome.examples, lines)
        _add_up(total.setdefault(shard.split, Result()), outcome.result, log)
    return total


def _counter(wanted: type, counts: object) -> object:
    """Decodes a `Counter`, which msgspec writes, yet does not read by itself.

    Args:
        wanted: such as `Counter[int]`.
        counts: what JSON holds, a dict.
    """
    if typing.get_origin(wanted) is not collections.Counter:
        raise NotImplementedError(f"no way to decode a {wanted}")
    (key,) = typing.get_args(wanted)
    return collections.Counter(msgspec.convert(counts, dict[key, int], str_keys=True))


def _add_up(total: Result, part: Result, log: problems.ProblemLog) -> None:
    """Adds another shard's result; pictures that both of them hold are told."""
    total.images += part.images
    total.images_without_objects += part.images_without_objects
    total.crowds += part.crowds
    total.objects.update(part.objects)
    total.names |= part.names
    total.sources.update(part.sources)
    for digest, stored in part.pictures.items():
        _note_picture(digest, stored, total, log)
    total.histograms.add(part.histograms)


def _record_of(
    image: annotations.PlannedImage,
    plan: plans.Plan,
    log: problems.ProblemLog,
    result: Result,
) -> bytes | None:
    """Serializes one image; None when it has to be dropped."""
    file, picture = _picture_of(image, plan, log)
    if picture is None:
        return None
    for kind, message in picture.notes:
        _add(log, kind, file, image, message, "kept")
    root = _root_of(image, plan)
    drawn = examples.draw_objects(image, root, file, log)
    for kind, message in panoptic_masks.faults(image, root):
        _add(log, kind, file, image, message, "left out")
    if not drawn:
        message = "no object is annotated, or none is left"
        _add(log, "image_without_objects", file, image, message, "kept")
    _count(image, file, drawn, result)
    _note_picture(picture.sha256, Stored(file, image.image_id), result, log)
    return examples.build(image, picture, file, drawn)


def _note_picture(
    digest: str, stored: Stored, result: Result, log: problems.ProblemLog
) -> None:
    """The same file under two ids is a repetition, too."""
    first = result.pictures.setdefault(digest, stored)
    if first is not stored:
        message = f"is the same picture as {first} of the same split"
        log.add(
            problems.Problem(
                "image_repeated", stored.file, message, "kept", stored.image_id
            )
        )


def _picture_of(
    image: annotations.PlannedImage, plan: plans.Plan, log: problems.ProblemLog
) -> tuple[str, pictures.Picture | None]:
    """The picture's file below the root, and the picture unless it is left out."""
    source = plan.sources[image.source]
    file, left_out = source.prefix + image.file_name, "image left out"
    path = _locate(image, plan, log)
    if path is None:
        return file, None
    file = source.prefix + os.path.relpath(path, source.root)
    size = (image.height, image.width, plan.max_pixels)
    try:
        if image.embedded_in:
            content = labelme_pictures.embedded(path)
            return file, pictures.decode(content, "", *size)
        return file, pictures.load(path, *size)
    except pictures.BrokenImageError as error:
        _add(log, "broken_image", file, image, str(error), left_out)
    except pictures.OversizedImageError as error:
        _add(log, "oversized_image", file, image, str(error), left_out)
    except pictures.SizeMismatchError as error:
        _add(log, "size_mismatch", file, image, str(error), left_out)
    return file, None


def _root_of(image: annotations.PlannedImage, plan: plans.Plan) -> pathlib.Path:
    return pathlib.Path(plan.sources[image.source].root)


def _locate(
    image: annotations.PlannedImage, plan: plans.Plan, log: problems.ProblemLog
) -> pathlib.Path | None:
    source = plan.sources[image.source]
    root, folders, name = _root_of(image, plan), source.folders, image.file_name
    if image.embedded_in:
        folders, name = [source.root], image.embedded_in
    file = source.prefix + name
    try:
        path = safe_paths.find(root, folders, name)
    except safe_paths.LeavesRootError as error:
        _add(log, "unsafe_path", file, image, f"{error}; copy it inside", "")
        return None
    if path is None:
        searched = ", ".join(os.path.relpath(f, root) + "/" for f in folders)
        message = f"no such file in {searched}"
        _add(log, "missing_image", file, image, message, "image left out")
    elif not str(path).endswith(str(pathlib.PurePosixPath(name))):
        message = "is named with backslashes, which were read as slashes"
        _add(log, "windows_separator", file, image, message, "kept")
    return path


def _count(
    image: annotations.PlannedImage,
    file: str,
    drawn: list[examples.DrawnObject],
    result: Result,
) -> None:
    result.images += 1
    result.sources[image.source] += 1
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
