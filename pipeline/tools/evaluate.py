"""What `m2f evaluate` does: scores an exported model on a COCO folder."""

import dataclasses
import math
import pathlib
import tempfile

import pydantic
import rich.console
import rich.markup
import rich.table

from components import wire
from components.coco_example_gen import ingestion, problems
from components.coco_example_gen.read import layouts
from components.coco_example_gen.write import shards
from foundation import artifact_paths, errors
from model.evaluation import coco_metrics, ground_truth, predictor
from model.serve import saved_model
from pipeline.settings import config

_LOST_IMAGES = ("missing_image", "broken_image", "oversized_image")
_NUMBERS = (
    ("mask_ap", "mask AP"),
    ("mask_ap50", "mask AP50"),
    ("mask_ap75", "mask AP75"),
    ("mask_ap_small", "mask AP small"),
    ("mask_ap_medium", "mask AP medium"),
    ("mask_ap_large", "mask AP large"),
    ("mask_ar", "mask AR"),
    ("box_ap", "box AP"),
)


@dataclasses.dataclass(frozen=True)
class FolderEvaluation:
    """The score of a model on a folder; prints itself as tables.

    Attributes:
        notes: what must be known to read the numbers.
    """

    model: artifact_paths.Path
    data: pathlib.Path
    metrics: coco_metrics.MaskMetrics
    notes: tuple[str, ...]

    def __rich__(self) -> rich.console.Group:
        metrics = self.metrics
        model, data = (rich.markup.escape(str(p)) for p in (self.model, self.data))
        head = (
            f"model     {model}\n"
            f"data      {data}: {metrics.num_images} images, "
            f"{metrics.num_objects} objects, {metrics.num_detections} detections"
        )
        overall = rich.table.Table("metric", "value")
        for name, title in _NUMBERS:
            overall.add_row(title, _shown(getattr(metrics, name)))
        classes = rich.table.Table("id", "class", "objects", "mask AP", "mask AP50")
        for each in metrics.classes:
            numbers = (_shown(each.mask_ap), _shown(each.mask_ap50))
            name = rich.markup.escape(each.name)
            cells = (str(each.category_id), name, str(each.num_objects))
            classes.add_row(*cells, *numbers)
        notes = [f"note      {rich.markup.escape(note)}" for note in self.notes]
        return rich.console.Group(head, overall, classes, *notes)


def evaluate_folder(
    model_dir: pathlib.Path, data_dir: pathlib.Path, batch_size: int = 1
) -> FolderEvaluation:
    """Scores a model on the eval split as CocoEvaluator would.

    The folder is read by the code of CocoExampleGen and the stored examples are
    scored by that of CocoEvaluator, so the numbers are those of a run. A folder with
    one annotation file is split as the model's own run split it. The ids of LabelMe's
    classes are made up by the reader, so its classes are the model's by their names.

    Raises:
        ModelFileError: there is no such model.
        CocoFormatError: the folder is not COCO, or contradicts itself.
        UserError: images are missing or broken; a score without them would be wrong.
    """
    model = saved_model.load(model_dir)
    layout = layouts.detect(data_dir)
    log = problems.ProblemLog()
    with tempfile.TemporaryDirectory(prefix="m2f_evaluate_") as folder:
        files = _ingest(layout, _data_config(model), folder, log)
        _require_all_images(log)
        if layout.name == "labelme":
            truth = _with_ids_of(model, ground_truth.from_records(files))
        else:
            truth = ground_truth.from_records(files, model.categories)
        num_images = len(truth["images"])
        results = predictor.score_images(
            model, files, num_images, batch_size, "Evaluating"
        )
    metrics = coco_metrics.evaluate(truth, results)
    notes = [*layout.ignored, *_category_notes(model, truth)]
    return FolderEvaluation(model.path, data_dir, metrics, tuple(notes))


def _ingest(
    layout: layouts.Layout,
    data: config.DataConfig,
    folder: str,
    log: problems.ProblemLog,
) -> list[str]:
    """Stores the eval split below `folder`; returns the records files."""
    work = ingestion.store(
        [layout],
        data.ingest_settings(),
        f"{folder}/work",
        {wire.EVAL_SPLIT: f"{folder}/records"},
        ingestion.run_here,
        log,
    )
    shards.read_results(work, log)
    log.raise_errors()
    return [part.staged_path for part in work]


def _with_ids_of(model: saved_model.Predictor, truth: dict) -> dict:
    """Gives classes the model's ids; those it lacks get ids above all of them."""
    names = {each.category_id: each.name for each in model.categories}
    ids = {name: category_id for category_id, name in names.items()}
    new_ids = {}
    for category in truth["categories"]:
        new_id = ids.setdefault(category["name"], max(ids.values(), default=0) + 1)
        new_ids[category["id"]] = new_id
        names[new_id] = category["name"]
    annotations = [
        {**each, "category_id": new_ids[each["category_id"]]}
        for each in truth["annotations"]
    ]
    categories = [{"id": key, "name": names[key]} for key in sorted(names)]
    return {**truth, "annotations": annotations, "categories": categories}


def _data_config(model: saved_model.Predictor) -> config.DataConfig:
    """How the model's own run read its data; the defaults when it does not say."""
    try:
        text = model.info["config"]
        return config.PipelineConfig.model_validate_json(text).data
    except (KeyError, pydantic.ValidationError):
        return config.DataConfig()


def _require_all_images(log: problems.ProblemLog) -> None:
    lost = sum(log.counts.get(kind, 0) for kind in _LOST_IMAGES)
    if not lost:
        return
    lines = [each.describe() for each in log.examples if each.kind in _LOST_IMAGES]
    listed = "\n".join(f"  {line}" for line in lines[: problems.MAX_EXAMPLES])
    raise errors.UserError(
        f"{lost} image(s) of the eval split are missing or broken, and a score without "
        f"them would be too good:\n{listed}\nAdd them, or take them out of the "
        "annotation file."
    )


def _category_notes(model: saved_model.Predictor, truth: dict) -> list[str]:
    """What the data and the model call differently, or do not both have."""
    known = {each.category_id: each.name for each in model.categories}
    used = {each["category_id"] for each in truth["annotations"]}
    notes = []
    for category in truth["categories"]:
        name = known.get(category["id"])
        if name is None and category["id"] in used:
            notes.append(
                f"class {category['id']} ({category['name']}) is not in the model and "
                "counts with AP 0"
            )
        elif name not in (None, category["name"]):
            notes.append(
                f"class {category['id']} is {category['name']!r} in the data and "
                f"{name!r} in the model"
            )
    return notes


def _shown(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.4f}"
