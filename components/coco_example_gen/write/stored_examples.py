"""Finds single images in the record files, without reading all of them."""

import bisect
from collections.abc import Iterable, Iterator, Mapping

import tensorflow as tf

from model.examples import features, record_files


def find(
    record_folders: Mapping[str, str], image_ids: Mapping[str, Iterable[int]]
) -> dict[tuple[str, int], tf.train.Example]:
    """Reads some images of each split; those that are not stored are missing.

    Images ascend by id from file to file, so the first of each file says which one
    holds an image.

    Args:
        image_ids: by split.

    Returns:
        By split and image id.
    """
    found = {}
    for split, wanted in image_ids.items():
        files = _files(record_folders[split])
        firsts = [first for first, _ in files]
        by_file: dict[str, set[int]] = {}
        for image_id in set(wanted):
            position = bisect.bisect_right(firsts, image_id) - 1
            if position >= 0:
                by_file.setdefault(files[position][1], set()).add(image_id)
        for path, ids in by_file.items():
            for example in _read(path):
                image_id = id_of(example)
                if image_id in ids:
                    found[split, image_id] = example
                if image_id >= max(ids):
                    break
    return found


def id_of(example: tf.train.Example) -> int:
    """The id of a stored image."""
    return example.features.feature[features.IMAGE_ID].int64_list.value[0]


def _files(folder: str) -> list[tuple[int, str]]:
    """First image id and path of every record file that is not empty."""
    files = []
    for path in record_files.files_of_split(folder):
        first = next(_read(path), None)
        if first is not None:
            files.append((id_of(first), path))
    return files


def _read(path: str) -> Iterator[tf.train.Example]:
    for record in record_files.read([path]):
        yield tf.train.Example.FromString(record.numpy())
