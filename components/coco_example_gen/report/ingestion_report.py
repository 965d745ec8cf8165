"""Draws the conclusion of an ingestion and writes it down."""

import json
from collections.abc import Sequence

from components import wire
from components.coco_example_gen import problems
from components.coco_example_gen.read import layouts
from components.coco_example_gen.write import figures, plans, shards
from foundation import errors


def conclude(
    data: Sequence[layouts.Layout],
    results: dict[str, shards.Result],
    log: problems.ProblemLog,
) -> dict[str, object]:
    """Compares the splits and sums up.

    Args:
        data: the layout of each root.

    Returns:
        Content of `summary.json`: counts per split, class and kind of problem.

    Raises:
        CocoFormatError: a split has no image left, or training has no instance.
    """
    log.raise_errors()
    _require_something(data, results, log)
    _compare_splits(data, results, log)
    return describe(data, results, log)


def describe(
    data: Sequence[layouts.Layout],
    results: dict[str, shards.Result],
    log: problems.ProblemLog,
) -> dict[str, object]:
    """Sums up what is known, which is little when ingestion stopped early.

    Args:
        results: by split; of none when no image was read.

    Returns:
        As `conclude` does.
    """
    counts = {
        kind: {"severity": severity, "count": log.counts.get(kind, 0)}
        for kind, severity in problems.SEVERITIES.items()
    }
    return {
        "layout": "+".join(dict.fromkeys(layout.name for layout in data)),
        "root": ", ".join(str(layout.root) for layout in data),
        "sources": [
            _source_summary(layout, position, results)
            for position, layout in enumerate(data)
        ],
        "on_problem": log.on_problem,
        "splits": {split: _split_summary(result) for split, result in results.items()},
        "problems": counts,
    }


def write(folder: str, summary: dict[str, object], log: problems.ProblemLog) -> None:
    """Writes `problems.json`, and last of all `summary.json`: all is complete."""
    write_problems(folder, log, stopped="")
    plans.write_text(
        f"{folder}/{wire.SUMMARY_FILE}",
        json.dumps(summary, indent=1, ensure_ascii=False),
    )


def write_problems(folder: str, log: problems.ProblemLog, stopped: str) -> None:
    """Writes `problems.json`: exact counts, and the first examples of each kind.

    Args:
        stopped: the message that ended ingestion; empty when nothing did.
    """
    content = {
        "stopped": stopped,
        "counts": dict(sorted(log.counts.items())),
        "examples": [p.to_row() for p in sorted(log.examples, key=_order)],
    }
    text = json.dumps(content, indent=1, ensure_ascii=False)
    plans.write_text(f"{folder}/{wire.PROBLEMS_FILE}", text)


def _require_something(
    data: Sequence[layouts.Layout],
    results: dict[str, shards.Result],
    log: problems.ProblemLog,
) -> None:
    for split, result in results.items():
        if not result.images:
            raise errors.CocoFormatError(_nothing_left(data, split, log))
    if not any(results[wire.TRAIN_SPLIT].objects.values()):
        files = _annotation_files(data, wire.TRAIN_SPLIT)
        raise errors.CocoFormatError(
            f"{files}: not one instance with a mask is left to train on (crowds "
            "do not count). Annotate objects with polygons or RLE; "
            f"boxes alone are not enough. {_first_examples(log)}"
        )


def _order(problem: problems.Problem) -> int:
    return list(problems.SEVERITIES).index(problem.kind)


def _source_summary(
    layout: layouts.Layout, position: int, results: dict[str, shards.Result]
) -> dict[str, object]:
    images = {split: result.sources[position] for split, result in results.items()}
    return {
        "root": str(layout.root),
        "layout": layout.name,
        "prefix": layout.prefix,
        "images": images,
    }


def _split_summary(result: shards.Result) -> dict[str, object]:
    return {
        "images": result.images,
        "images_without_objects": result.images_without_objects,
        "objects": sum(result.objects.values()),
        "crowds": result.crowds,
        **figures.summarize(result.histograms),
        "classes": [
            {
                "category_id": category_id,
                "name": result.names[category_id],
                "objects": count,
                **figures.summarize_class(result.histograms, category_id),
            }
            for category_id, count in sorted(result.objects.items())
        ],
    }


def _compare_splits(
    data: Sequence[layouts.Layout],
    results: dict[str, shards.Result],
    log: problems.ProblemLog,
) -> None:
    train, held_out = results[wire.TRAIN_SPLIT], results[wire.EVAL_SPLIT]
    names = held_out.names | train.names
    file = ", ".join(each.name_of(each.train.annotation_file) for each in data)
    for present, absent, split in (
        (train, held_out, wire.EVAL_SPLIT),
        (held_out, train, wire.TRAIN_SPLIT),
    ):
        for category_id in sorted(set(present.objects) - set(absent.objects)):
            message = (
                f"category {category_id} ({names[category_id]!r}) is not in {split}"
            )
            action = (
                "cannot be scored" if split == wire.EVAL_SPLIT else "cannot be learnt"
            )
            log.add(problems.Problem("class_absent_from_split", file, message, action))
    for digest in sorted(set(train.pictures) & set(held_out.pictures)):
        message = f"is the same picture as {train.pictures[digest]} of the train split"
        kind, stored = "image_in_both_splits", held_out.pictures[digest]
        log.add(problems.Problem(kind, stored.file, message, "kept", stored.image_id))


def _nothing_left(
    data: Sequence[layouts.Layout], split: str, log: problems.ProblemLog
) -> str:
    return (
        f"{_annotation_files(data, split)}: not one image of the {split} split can be "
        f"used. {_first_examples(log)}"
    )


def _annotation_files(data: Sequence[layouts.Layout], split: str) -> str:
    sources = [layout.sources().get(split, layout.train) for layout in data]
    return ", ".join(str(source.annotation_file) for source in sources)


def _first_examples(log: problems.ProblemLog) -> str:
    dropped = [p.describe() for p in log.examples if p.severity == "dropped"][:3]
    return f"First problems: {'; '.join(dropped)}." if dropped else "It lists none."
