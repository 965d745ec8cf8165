"""The classes of a model: COCO ids, names, training counts and class indices."""

import dataclasses
import json
from collections.abc import Iterable, Sequence

import tensorflow as tf

from foundation import artifact_paths

VOCABULARY_NAME = "categories"
TABLE_FILENAME = "categories.json"


@dataclasses.dataclass(frozen=True)
class Category:
    """One class. Its class_index is its place in a list ascending by category_id.

    Attributes:
        category_id: id in the COCO file.
        name: name in the COCO file.
        training_count: non-crowd instances in the training split.
    """

    category_id: int
    name: str
    training_count: int


def vocabulary_token(category_id: tf.Tensor, name: tf.Tensor) -> tf.Tensor:
    """Joins id and name to the string that Transform counts, `18:dog`."""
    return tf.strings.join([tf.strings.as_string(category_id), name], separator=":")


def from_vocabulary(lines: Iterable[str]) -> list[Category]:
    """Reads a frequency vocabulary, lines of `<count> <id>:<name>`.

    Returns:
        Categories ascending by category_id, so the position is the class_index.
    """
    found = []
    for line in lines:
        count, _, token = line.rstrip("\n").partition(" ")
        category_id, _, name = token.partition(":")
        found.append(Category(int(category_id), name, int(float(count))))
    return sorted(found, key=lambda category: category.category_id)


def write_table(categories: Sequence[Category], path: artifact_paths.Path) -> None:
    """Writes the table that travels with a SavedModel."""
    rows = [dataclasses.asdict(category) for category in categories]
    path.write_text(json.dumps(rows, indent=1, ensure_ascii=False), encoding="utf-8")


def read_table(path: artifact_paths.Path) -> list[Category]:
    """Reads what `write_table` wrote."""
    rows = json.loads(path.read_text(encoding="utf-8"))
    return [Category(**row) for row in rows]


def class_index_lookup(categories: Sequence[Category]) -> tf.lookup.StaticHashTable:
    """Table int64 category_id -> int64 class_index; -1 for an unknown id."""
    ids = [category.category_id for category in categories]
    return tf.lookup.StaticHashTable(
        tf.lookup.KeyValueTensorInitializer(
            tf.constant(ids, tf.int64), tf.range(len(ids), dtype=tf.int64)
        ),
        default_value=-1,
    )
