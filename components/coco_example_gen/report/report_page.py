"""Writes `report.html`: what was ingested, what was wrong with it, and how it looks.

When ingestion stopped, the page says why, and has no pictures: nothing is stored.
The page is one file of bounded size, whatever the size of the data: it holds so many
pictures, so many rows, and long texts without their middle.
"""

import dataclasses
from collections.abc import Iterable, Iterator, Mapping, Sequence

import tensorflow as tf

from components import wire
from components.coco_example_gen import problems, quoting
from components.coco_example_gen.report import report_pictures, report_tables
from components.coco_example_gen.write import plans, stored_examples
from foundation import drawing, html_page, progress
from model.examples import features

_TEMPLATE = "report.html"
_MOST_GALLERY_PICTURES = 72
_MOST_PROBLEM_PICTURES = 24
_PICTURES_PER_KIND = 3
_PICTURES_PER_CLASS = 3
_MOST_PICTURE_BYTES = 3_200_000  # of JPEG, a third more as text
_MOST_REASON_LINES = 25
_LONGEST_REASON = 1000  # characters of a line
# Counted, but no fault that a picture would show.
_NOT_SHOWN = ("image_without_objects", "image_reencoded")
_Examples = Mapping[tuple[str, int], tf.train.Example]


@dataclasses.dataclass(frozen=True)
class _Class:
    """A class of the gallery, and the images that show it, as (split, image id)."""

    name: str
    images: tuple[tuple[str, int], ...]


def write(
    report_folder: str,
    summary: Mapping,
    log: problems.ProblemLog,
    record_folders: Mapping[str, str],
) -> None:
    """Writes the page; equal records and reports give equal bytes.

    Args:
        summary: content of `summary.json`.
        record_folders: where the records of each split are.
    """
    with progress.track("Drawing the report"):
        content = report_tables.tables(summary, log)
        concerned = _problems_to_show(log)
        gallery = _classes_to_show(summary)
        examples = stored_examples.find(
            record_folders, _wanted(record_folders, concerned, gallery)
        )
        painter = _Painter(_colours(summary))
        content |= {
            "stopped": [],
            "problem_pictures": list(_problem_pictures(concerned, examples, painter)),
            "gallery": list(_gallery(gallery, examples, painter)),
            "gallery_hidden": len(_class_rows(summary)) - len(gallery),
        }
        _render(report_folder, content)


def write_stopped(
    report_folder: str, summary: Mapping, log: problems.ProblemLog, reason: str
) -> None:
    """Writes the page of an ingestion that stopped.

    Args:
        summary: content that `summary.json` would have, as far as it is known.
        reason: the message that ended it.
    """
    lines = [quoting.short(line, _LONGEST_REASON) for line in reason.splitlines()]
    content = {"stopped": lines[:_MOST_REASON_LINES]}
    content |= {"problem_pictures": [], "gallery": [], "gallery_hidden": 0}
    _render(report_folder, report_tables.tables(summary, log) | content)


def _render(report_folder: str, content: Mapping[str, object]) -> None:
    page = html_page.render("components.coco_example_gen.report", _TEMPLATE, content)
    plans.write_text(f"{report_folder}/{wire.REPORT_PAGE_FILE}", page)


class _Painter:
    """Draws thumbnails until the page has as many bytes of them as it may have."""

    def __init__(self, colours: dict[int, drawing.Colour]):
        self._colours = colours
        self._bytes_left = _MOST_PICTURE_BYTES

    def draw(
        self, example: tf.train.Example, alt: str, annotation_id: int | None = None
    ) -> dict[str, object] | None:
        """What the template needs of a picture; None when there is no room left."""
        drawn = report_pictures.draw(example, self._colours, annotation_id)
        if len(drawn.jpeg) > self._bytes_left:
            return None
        self._bytes_left -= len(drawn.jpeg)
        url = html_page.data_url(drawn.jpeg)
        size = {"width": drawn.width, "height": drawn.height}
        return {"url": url, "alt": report_tables.short(alt), **size}


def _problems_to_show(log: problems.ProblemLog) -> list[problems.Problem]:
    """The worst kinds first, a few of each; those that concern an image."""
    shown = []
    for kind in sorted(log.counts, key=report_tables.by_severity):
        if kind not in _NOT_SHOWN:
            found = [p for p in log.examples if p.kind == kind]
            shown += [p for p in found if p.image_id is not None][:_PICTURES_PER_KIND]
    return shown[:_MOST_PROBLEM_PICTURES]


def _classes_to_show(summary: Mapping) -> list[_Class]:
    """The most frequent classes; the more there are, the fewer pictures of each."""
    rows = _class_rows(summary)
    each = max(1, min(_PICTURES_PER_CLASS, _MOST_GALLERY_PICTURES // max(1, len(rows))))
    return [
        _Class(
            report_tables.short(found[0][1]["name"]),
            tuple(
                (split, image_id)
                for split, row in found
                for image_id in row["sample_image_ids"]
            )[:each],
        )
        for found in rows[:_MOST_GALLERY_PICTURES]
    ]


def _class_rows(summary: Mapping) -> list[list[tuple[str, Mapping]]]:
    """For every class its rows of `summary.json` by split, the most frequent first."""
    found: dict[int, list[tuple[str, Mapping]]] = {}
    for split, content in summary["splits"].items():
        for row in content["classes"]:
            found.setdefault(row["category_id"], []).append((split, row))
    return sorted(found.values(), key=lambda rows: -sum(r["objects"] for _, r in rows))


def _colours(summary: Mapping) -> dict[int, drawing.Colour]:
    return drawing.class_colours(
        [rows[0][1]["category_id"] for rows in _class_rows(summary)]
    )


def _wanted(
    splits: Iterable[str],
    concerned: Sequence[problems.Problem],
    gallery: Sequence[_Class],
) -> dict[str, set[int]]:
    """Image ids by split; a problem does not say which split it was found in."""
    ids = {each.image_id for each in concerned if each.image_id is not None}
    wanted = {split: set(ids) for split in splits}
    for each in gallery:
        for split, image_id in each.images:
            wanted[split].add(image_id)
    return wanted


def _problem_pictures(
    concerned: Sequence[problems.Problem], examples: _Examples, painter: _Painter
) -> Iterator[dict[str, object]]:
    for problem in concerned:
        example = _stored(problem, examples)
        if example is None:
            continue
        text = f"{problem.describe()}; {problem.action}"
        picture = painter.draw(
            example, f"{problem.kind} in {problem.file}", problem.annotation_id
        )
        if picture is not None:
            told = {"kind": problem.kind, "severity": problem.severity}
            yield {**picture, **told, "text": report_tables.short(text)}


def _stored(problem: problems.Problem, examples: _Examples) -> tf.train.Example | None:
    """The image of a problem, if it was stored: its id and its file both fit."""
    for (_, image_id), example in examples.items():
        names = example.features.feature[features.IMAGE_FILENAME].bytes_list.value
        if image_id == problem.image_id and names[0].decode() == problem.file:
            return example
    return None


def _gallery(
    gallery: Sequence[_Class], examples: _Examples, painter: _Painter
) -> Iterator[dict[str, object]]:
    for each in gallery:
        pictures = []
        for split, image_id in each.images:
            text = f"{split}, image {image_id}"
            picture = painter.draw(examples[split, image_id], f"{each.name}: {text}")
            if picture is not None:
                pictures.append({**picture, "text": text})
        yield {"name": each.name, "pictures": pictures}
