"""The numbers of the report page, as its template wants them."""

from collections.abc import Callable, Mapping, Sequence

from components.coco_example_gen import problems, quoting
from components.coco_example_gen.write import figures

_MOST_CLASSES = 200
_MOST_EXAMPLES = 5
_LONGEST_TEXT = 300  # characters
_PROBLEM_ORDER = ("error", "dropped", "repaired", "noted")
# First and last number of instances of each bin; the last one has no end.
_INSTANCE_BINS = (
    *((0, 0), (1, 1), (2, 2), (3, 4), (5, 8), (9, 16), (17, 32)),
    *((33, 64), (65, 100), (101, None)),
)


def tables(summary: Mapping, log: problems.ProblemLog) -> dict[str, object]:
    """Everything but the pictures.

    Args:
        summary: content of `summary.json`; without a split when ingestion stopped
            before an image was read.
    """
    splits = summary["splits"]
    classes = _classes(splits)
    return {
        "root": summary["root"],
        "layout": summary["layout"],
        "on_problem": summary["on_problem"],
        "splits": list(splits),
        "sizes": figures.SIZES,
        "facts": _facts(splits, classes, log),
        "counts": _counts(splits),
        "sources": [
            {**source, "images": [source["images"].get(split, 0) for split in splits]}
            for source in summary["sources"]
        ],
        "problems": _problems(log),
        "histograms": _histograms(splits) if splits else [],
        "classes": classes[:_MOST_CLASSES],
        "class_scales": [
            max((each["instances"][position] for each in classes), default=0)
            for position in range(len(splits))
        ],
        "classes_hidden": len(classes[_MOST_CLASSES:]),
    }


def short(text: str) -> str:
    """A text at the length that a row or a caption of the page has."""
    return quoting.short(text, _LONGEST_TEXT)


def by_severity(kind: str) -> tuple[int, int]:
    """Sorts kinds of problems, the worst first."""
    severity = problems.SEVERITIES[kind]
    return _PROBLEM_ORDER.index(severity), list(problems.SEVERITIES).index(kind)


def _facts(
    splits: Mapping[str, Mapping],
    classes: Sequence[Mapping],
    log: problems.ProblemLog,
) -> list[tuple[str, int]]:
    images = [(f"{name} images", split["images"]) for name, split in splits.items()]
    instances = sum(split["objects"] for split in splits.values())
    counted = [("instances", instances), ("classes", len(classes))] if splits else []
    return [*images, *counted, ("problems", sum(log.counts.values()))]


def _counts(splits: Mapping[str, Mapping]) -> list[tuple[str, list[int]]]:
    rows = [
        ("images", "images"),
        ("images without an instance", "images_without_objects"),
        ("instances", "objects"),
        ("crowds", "crowds"),
    ]
    counts = [(name, [split[key] for split in splits.values()]) for name, key in rows]
    sizes = [
        (f"{size} instances", [split["sizes"][size] for split in splits.values()])
        for size in figures.SIZES
    ]
    return counts + sizes


def _problems(log: problems.ProblemLog) -> list[dict[str, object]]:
    rows = []
    for kind in sorted(log.counts, key=by_severity):
        found = [problem for problem in log.examples if problem.kind == kind]
        rows.append(
            {
                "kind": kind,
                "severity": problems.SEVERITIES[kind],
                "count": log.counts[kind],
                "actions": list(dict.fromkeys(short(p.action) for p in found))[:2],
                "examples": [short(p.describe()) for p in found[:_MOST_EXAMPLES]],
            }
        )
    return rows


def _classes(splits: Mapping[str, Mapping]) -> list[dict]:
    """The most frequent first."""
    found: dict[int, dict] = {}
    for position, split in enumerate(splits.values()):
        for row in split["classes"]:
            known = found.setdefault(
                row["category_id"],
                {
                    "category_id": row["category_id"],
                    "name": short(row["name"]),
                    "instances": [0] * len(splits),
                    "images": 0,
                    "sizes": [0] * len(figures.SIZES),
                },
            )
            known["instances"][position] += row["objects"]
            known["images"] += row["images"]
            for index, size in enumerate(figures.SIZES):
                known["sizes"][index] += row["sizes"][size]
    return sorted(
        found.values(), key=lambda row: (-sum(row["instances"]), row["category_id"])
    )


def _histograms(splits: Mapping[str, Mapping]) -> list[dict[str, object]]:
    per_image = [_instance_bins(s["instances_per_image"]) for s in splits.values()]
    return [
        _histogram(
            "Instances per image", "Instances", _INSTANCE_BINS, per_image, _numbers
        ),
        *(
            _histogram(
                title,
                unit,
                [
                    (row["from"], row["below"])
                    for row in next(iter(splits.values()))[key]
                ],
                [[row["count"] for row in split[key]] for split in splits.values()],
                label,
            )
            for title, unit, key, label in (
                ("Image sizes", "Long side, px", "long_side_px", _pixels),
                ("Mask areas", "Share of image", "mask_area_share", _shares),
            )
        ),
    ]


def _histogram(
    title: str,
    unit: str,
    bins: Sequence[tuple],
    counts: Sequence[Sequence[int]],
    label: Callable[..., str],
) -> dict[str, object]:
    """Leaves out the bins before the first and after the last that is not empty."""
    filled = [i for i in range(len(bins)) if any(column[i] for column in counts)]
    shown = range(filled[0], filled[-1] + 1) if filled else ()
    return {
        "title": title,
        "unit": unit,
        "rows": [
            {"label": label(*bins[i]), "counts": [column[i] for column in counts]}
            for i in shown
        ],
        "scales": [sum(column) for column in counts],
    }


def _instance_bins(exact: Mapping[str, int]) -> list[int]:
    return [
        sum(
            images
            for number, images in exact.items()
            if first <= int(number) and (last is None or int(number) <= last)
        )
        for first, last in _INSTANCE_BINS
    ]


def _numbers(first: int, last: int | None) -> str:
    if last is None:
        return f"{first} or more"
    return str(first) if first == last else f"{first} to {last}"


def _pixels(first: int, below: int | None) -> str:
    if below is None:
        return f"{first} or more"
    return f"below {below}" if first == 0 else f"{first} to {below - 1}"


def _shares(first: float, below: float | None) -> str:
    if below is None:
        return f"{100 * first:.4g} % or more"
    start = "below " if first == 0 else f"{100 * first:.4g} to "
    return f"{start}{100 * below:.4g} %"
