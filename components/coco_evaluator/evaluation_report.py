"""Writes what the evaluator found, for people and for programs."""

import csv
import dataclasses
import io
import json
import math

from tensorflow_model_analysis.proto import config_pb2

from components import wire
from components.coco_evaluator import assessment, tfma_report
from foundation import artifact_paths
from model.evaluation import coco_metrics

CLASSES_FILENAME = "classes.csv"
BASELINE_FOLDER = "baseline"


def write(
    folder: artifact_paths.Path,
    found: assessment.Assessment,
    eval_config: config_pb2.EvalConfig,
    model_location: str,
) -> None:
    """Writes `metrics.json`, `classes.csv` and an evaluation that TFMA reads.

    The baseline's metrics are a TFMA evaluation of their own, in `baseline/`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    content = {
        "blessed": found.verdict.blessed,
        "reasons": found.verdict.reasons,
        "candidate": _as_json(found.metrics),
        "baseline": _as_json(found.baseline),
    }
    text = json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False)
    (folder / wire.METRICS_FILE).write_text(text, encoding="utf-8")
    _write_classes(folder / CLASSES_FILENAME, found)
    tfma_report.write_validation(folder, found.verdict, found.baseline is None)
    if found.metrics is not None:
        tfma_report.write_metrics(folder, found.metrics, eval_config, model_location)
    if found.baseline is not None:
        below = folder / BASELINE_FOLDER
        tfma_report.write_metrics(below, found.baseline, eval_config, "baseline")


def _as_json(metrics: coco_metrics.MaskMetrics | None) -> dict | None:
    """Undefined numbers become null: NaN is no JSON."""
    if metrics is None:
        return None
    classes = [dataclasses.asdict(each) for each in metrics.classes]
    content = metrics.numbers() | {"classes": [_defined(each) for each in classes]}
    return _defined(content)


def _defined(content: dict) -> dict:
    return {
        key: None if isinstance(value, float) and math.isnan(value) else value
        for key, value in content.items()
    }


def _write_classes(path: artifact_paths.Path, found: assessment.Assessment) -> None:
    """A row a class, the worst AP first: what to look at next."""
    classes = found.metrics.classes if found.metrics else ()
    before = found.baseline.classes if found.baseline else ()
    earlier = {each.category_id: each.mask_ap for each in before}
    content = io.StringIO(newline="")
    rows = csv.writer(content)
    header = ("category_id", "name", "num_objects", "mask_ap", "mask_ap50")
    rows.writerow((*header, "baseline_mask_ap"))
    for each in sorted(classes, key=lambda c: (math.isnan(c.mask_ap), c.mask_ap)):
        ap = (each.mask_ap, each.mask_ap50, earlier.get(each.category_id, math.nan))
        shown = ("" if math.isnan(value) else f"{value:.4f}" for value in ap)
        rows.writerow((each.category_id, each.name, each.num_objects, *shown))
    path.write_bytes(content.getvalue().encode())
