"""Checks what an annotation file says about itself, and repairs what can be."""

import collections
import itertools
from collections.abc import Iterable, Sequence, Set

from components.coco_example_gen import problems, safe_paths
from components.coco_example_gen.read import coco_json

_NO_SUPERCATEGORY = "none"  # what Roboflow gives the placeholder it puts first


def check_ids(
    file: str, content: coco_json.CocoInstances, log: problems.ProblemLog
) -> None:
    """Leaves out of `content` what its ids make ambiguous.

    The log is told; unless it lets errors pass, it will end ingestion.
    """
    dangling = _dangling(file, content, log)
    images, lost_images = _without_repeats("image", content.images, file, log)
    annotations, _ = _without_repeats("annotation", content.annotations, file, log)
    categories, lost_categories = _without_repeats(
        "category", content.categories, file, log
    )
    content.images, content.categories = images, categories
    content.annotations = [
        annotation
        for annotation in annotations
        if id(annotation) not in dangling
        and annotation.image_id not in lost_images
        and annotation.category_id not in lost_categories
    ]
    for image in content.images:
        for key in ("file_name", "embedded_in"):
            message = safe_paths.explain(key, getattr(image, key))
            if message:
                where = {"image_id": image.id}
                log.add(problems.Problem("unsafe_path", file, message, "", **where))


def _without_repeats(
    what: str, rows: list, file: str, log: problems.ProblemLog
) -> tuple[list, set[int]]:
    """The rows whose id says which is meant, and the ids that do not."""
    if len({row.id for row in rows}) == len(rows):
        return rows, set()
    groups = collections.defaultdict(list)
    for row in rows:
        groups[row.id].append(row)
    lost = set()
    for repeated, group in groups.items():
        if len(group) == 1:
            continue
        action = "the first is kept, the others left out"
        if what != "annotation" and any(_differ(row, group[0]) for row in group):
            lost.add(repeated)
            action = "left out with the annotations that use it"
        message = f"{what} id {repeated} is used {len(group)} times; make it unique"
        where = {"annotation_id": repeated} if what == "annotation" else {}
        if what == "image":
            where = {"image_id": repeated}
        log.add(problems.Problem("duplicate_id", file, message, action, **where))
    return [group[0] for key, group in groups.items() if key not in lost], lost


def _differ(row: object, other: object) -> bool:
    kind = coco_json.CocoCategory
    if isinstance(row, kind) and isinstance(other, kind):
        return row.name != other.name
    return row != other


def _dangling(
    file: str, content: coco_json.CocoInstances, log: problems.ProblemLog
) -> set[int]:
    """Python's ids of the annotations that name an image or class there is not."""
    known = {
        "image_id": {image.id for image in content.images},
        "category_id": {category.id for category in content.categories},
    }
    listed = {what: few(ids) for what, ids in known.items()}
    dangling = set()
    for annotation in content.annotations:
        for what, wanted in (
            ("image_id", annotation.image_id),
            ("category_id", annotation.category_id),
        ):
            if wanted in known[what]:
                continue
            dangling.add(id(annotation))
            message = (
                f"{what} {wanted} is not one of {listed[what]}; add it or drop the "
                "annotation"
            )
            where = {"annotation_id": annotation.id}
            action = "annotation left out"
            log.add(problems.Problem("dangling_id", file, message, action, **where))
    return dangling


def note_oddities(
    file: str, content: coco_json.CocoInstances, log: problems.ProblemLog
) -> None:
    """Tells the log what is unusual and does no harm; renumbers annotation 0."""
    used = collections.Counter(a.category_id for a in content.annotations)
    for category in content.categories:
        name = repr(category.name)
        if used[category.id]:
            if category.id == 0:
                message = f"category {name} has id 0, which counts as any other"
                log.add(problems.Problem("category_id_zero", file, message, "kept"))
            continue
        kind = "unused_category"
        message = f"category {category.id} ({name}) has no annotation"
        if category.id == 0 or category.supercategory == _NO_SUPERCATEGORY:
            kind = "placeholder_category"
            message += "; Roboflow puts such a placeholder first"
        log.add(problems.Problem(kind, file, message, "left out"))
    _renumber_zero(file, content.annotations, log)


def _renumber_zero(
    file: str, annotations: Sequence[coco_json.CocoAnnotation], log: problems.ProblemLog
) -> None:
    for annotation in annotations:
        if annotation.id:
            continue
        annotation.id = _free_id({each.id for each in annotations})
        message = "annotation id 0 counts as unmatched in pycocotools"
        action = f"renumbered to {annotation.id}"
        where = {"image_id": annotation.image_id, "annotation_id": 0}
        log.add(problems.Problem("annotation_id_zero", file, message, action, **where))


def _free_id(taken: Set[int]) -> int:
    """The one after the largest; when there is none above it, the lowest free one."""
    if max(taken) < coco_json.MAX_ID:
        return max(taken) + 1
    return next(number for number in itertools.count(1) if number not in taken)


def few(ids: Iterable[int]) -> str:
    """The first ten of some ids, ascending, and how many there are."""
    values = sorted(ids)
    shown = ", ".join(str(value) for value in values[:10])
    return shown if len(values) <= 10 else f"{shown}, ... ({len(values)} in all)"
