"""Makes one dataset of several roots: classes by name, ids that do not collide.

The first root keeps all of its ids. A class of a later root takes the id that its name
has already, else its own if that is free, else the next free one. A root with an image
id that is taken has one number added to all of them, and so for annotation ids.
"""

import dataclasses
from collections.abc import Iterable, Mapping, Sequence

from components.coco_example_gen import problems
from components.coco_example_gen.read import coco_json, sources
from foundation import errors


@dataclasses.dataclass(frozen=True)
class Root:
    """What was read below one root.

    Attributes:
        contents: by name of split.
        categories: what each category_id of the annotations counts as.
    """

    layout: sources.Layout
    contents: Mapping[str, coco_json.CocoInstances]
    categories: Mapping[int, coco_json.CocoCategory]


def merge(
    roots: Sequence[Root], log: problems.ProblemLog
) -> tuple[dict[str, coco_json.CocoInstances], dict[int, coco_json.CocoCategory]]:
    """Joins the roots; the structs of later ones are changed in place.

    Returns:
        Contents by name of split, and what each category_id of them counts as.

    Raises:
        CocoFormatError: ids are so large that there is no room above them.
    """
    for index, root in enumerate(roots):
        for content in root.contents.values():
            for image in content.images:
                image.root_index = index
    categories = dict(roots[0].categories)
    for position, root in enumerate(roots[1:], start=1):
        earlier = roots[:position]
        new_ids = _category_ids(root, categories, log)
        for content in root.contents.values():
            for annotation in content.annotations:
                annotation.category_id = new_ids[annotation.category_id]
        categories |= {
            new_ids[old]: coco_json.CocoCategory(id=new_ids[old], name=category.name)
            for old, category in root.categories.items()
        }
        _shift_image_ids(root, earlier, log)
        _shift_annotation_ids(root, earlier, log)
    return _joined(roots), categories


def _joined(roots: Sequence[Root]) -> dict[str, coco_json.CocoInstances]:
    joined: dict[str, coco_json.CocoInstances] = {}
    for root in roots:
        for split, content in root.contents.items():
            so_far = joined.setdefault(
                split, coco_json.CocoInstances(images=[], annotations=[], categories=[])
            )
            so_far.images += content.images
            so_far.annotations += content.annotations
            so_far.categories += content.categories
    return joined


def _category_ids(
    root: Root,
    known: Mapping[int, coco_json.CocoCategory],
    log: problems.ProblemLog,
) -> dict[int, int]:
    """The id that each category of a root gets among those known already."""
    id_of_name = {category.name: category.id for category in known.values()}
    taken = set(known) | set(id_of_name.values())
    new_ids = {}
    for old, category in sorted(root.categories.items()):
        new = id_of_name.get(category.name)
        message = f"category {old} ({category.name!r}) has another id elsewhere"
        if new is None:
            new = category.id
            if new in taken:
                new = max(taken) + 1
                message = f"the id of category {old} ({category.name!r}) is taken"
            _require_room(root, new)
            id_of_name[category.name] = new
            taken.add(new)
        new_ids[old] = new
        if new != category.id:
            _note(root, "category_id_changed", message, f"counts as {new}", log)
    return new_ids


def _shift_image_ids(
    root: Root, earlier: Sequence[Root], log: problems.ProblemLog
) -> None:
    images = [image for c in root.contents.values() for image in c.images]
    offset = _offset(
        root,
        "image",
        (image.id for image in images),
        (i.id for each in earlier for c in each.contents.values() for i in c.images),
        log,
    )
    if not offset:
        return
    for image in images:
        image.id += offset
    for content in root.contents.values():
        for annotation in content.annotations:
            annotation.image_id += offset


def _shift_annotation_ids(
    root: Root, earlier: Sequence[Root], log: problems.ProblemLog
) -> None:
    annotations = [a for c in root.contents.values() for a in c.annotations]
    offset = _offset(
        root,
        "annotation",
        (annotation.id for annotation in annotations),
        (a.id for e in earlier for c in e.contents.values() for a in c.annotations),
        log,
    )
    if offset:
        for annotation in annotations:
            annotation.id += offset


def _offset(
    root: Root,
    what: str,
    ids: Iterable[int],
    taken: Iterable[int],
    log: problems.ProblemLog,
) -> int:
    """What to add to ids so that none is taken; 0 when none is."""
    wanted, taken = set(ids), set(taken)
    colliding = wanted & taken
    if not colliding:
        return 0
    offset = max(taken) + 1
    _require_room(root, max(wanted) + offset)
    message = (
        f"{len(colliding)} {what} ids are in use below an earlier root, such as "
        f"{min(colliding)}"
    )
    _note(root, "ids_renumbered", message, f"{offset} is added to all of them", log)
    return offset


def _require_room(root: Root, largest: int) -> None:
    if largest > coco_json.MAX_ID:
        raise errors.CocoFormatError(
            f"{root.layout.root}: its ids collide with those of another root, and "
            f"there is no room above them: {largest} is more than {coco_json.MAX_ID}. "
            "Renumber one of the two."
        )


def _note(
    root: Root, kind: str, message: str, action: str, log: problems.ProblemLog
) -> None:
    log.add(problems.Problem(kind, root.layout.prefix, message, action))
