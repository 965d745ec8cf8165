"""Makes one class of equal names, and sees that ids mean the same in both splits."""

import collections
from collections.abc import Mapping

from components import wire
from components.coco_example_gen import problems, quoting
from components.coco_example_gen.read import coco_json, consistency


def check_agreement(
    files: Mapping[str, str],
    contents: Mapping[str, coco_json.CocoInstances],
    log: problems.ProblemLog,
) -> None:
    """Leaves annotations of the eval split out whose class is another in training.

    Args:
        files: by name of split, what the log calls its annotation file.
    """
    if wire.EVAL_SPLIT not in contents:
        return
    names = {c.id: _plain(c.name) for c in contents[wire.TRAIN_SPLIT].categories}
    held_out, conflicting = contents[wire.EVAL_SPLIT], set()
    for category in held_out.categories:
        name = _plain(category.name)
        known = names.get(category.id, name)
        if known != name:
            conflicting.add(category.id)
            other = files[wire.TRAIN_SPLIT]
            message = (
                f"category {category.id} is {quoting.quoted(name)} here and "
                f"{quoting.quoted(known)} in {other}; give both files the same "
                "categories"
            )
            action = "its annotations are left out"
            log.add(
                problems.Problem(
                    "category_conflict", files[wire.EVAL_SPLIT], message, action
                )
            )
    if conflicting:
        held_out.categories = [
            c for c in held_out.categories if c.id not in conflicting
        ]
        held_out.annotations = [
            a for a in held_out.annotations if a.category_id not in conflicting
        ]


def by_name(
    files: Mapping[str, str],
    contents: Mapping[str, coco_json.CocoInstances],
    log: problems.ProblemLog,
) -> dict[int, coco_json.CocoCategory]:
    """What each category_id counts as: equal names are one class.

    The class goes by the lowest id of its name that has annotations.

    Args:
        files: as above.
    """
    used = {a.category_id for c in contents.values() for a in c.annotations}
    ids_of_name = collections.defaultdict(set)
    for content in contents.values():
        for category in content.categories:
            ids_of_name[_plain(category.name)].add(category.id)
    merged = {}
    for name, ids in ids_of_name.items():
        kept = min(ids & used or ids)
        merged |= {i: coco_json.CocoCategory(id=kept, name=name) for i in ids}
    _note_other_ids(files, contents, merged, log)
    for split, content in contents.items():
        names = collections.Counter(_plain(c.name) for c in content.categories)
        for name, count in names.items():
            if count > 1:
                ids = {c.id for c in content.categories if _plain(c.name) == name}
                message = f"categories {consistency.few(ids)} are all named {name!r}"
                action = f"all count as category {min(ids_of_name[name] & used or ids)}"
                log.add(
                    problems.Problem(
                        "duplicate_category_name", files[split], message, action
                    )
                )
    return merged


def _note_other_ids(
    files: Mapping[str, str],
    contents: Mapping[str, coco_json.CocoInstances],
    merged: Mapping[int, coco_json.CocoCategory],
    log: problems.ProblemLog,
) -> None:
    """Tells of classes whose id of one file is not that of the other file."""
    for split, content in contents.items():
        names = collections.Counter(_plain(c.name) for c in content.categories)
        for used in sorted({a.category_id for a in content.annotations}):
            counts_as = merged[used]
            if counts_as.id != used and names[counts_as.name] == 1:
                message = (
                    f"category {used} ({counts_as.name!r}) has another id elsewhere"
                )
                action = f"counts as {counts_as.id}"
                log.add(
                    problems.Problem(
                        "category_id_changed", files[split], message, action
                    )
                )


def _plain(name: str) -> str:
    return " ".join(name.split())
