"""COCO's instance segmentation metrics, by pycocotools."""

import contextlib
import dataclasses
import io

import numpy as np
from pycocotools import coco, cocoeval

_AREAS = ("all", "small", "medium", "large")  # order of COCOeval's area ranges
_MAX_DETECTIONS = 100  # COCO's limit per image and class


@dataclasses.dataclass(frozen=True)
class ClassMetrics:
    """One class. AP is NaN when the split has no instance of it.

    Attributes:
        num_objects: instances without crowds.
    """

    category_id: int
    name: str
    num_objects: int
    mask_ap: float
    mask_ap50: float


@dataclasses.dataclass(frozen=True)
class MaskMetrics:
    """Fractions in [0, 1], NaN where undefined.

    Attributes:
        mask_ap: mean over classes and IoU thresholds 0.50:0.05:0.95.
        mask_ap_small, mask_ap_medium, mask_ap_large: of objects below 32², up to 96²
            and above, px².
        mask_ar: recall with at most 100 detections per image and class.
        classes: ascending by category id; a class that the model does not know has
            AP 0.
    """

    num_images: int
    num_objects: int
    num_detections: int
    mask_ap: float
    mask_ap50: float
    mask_ap75: float
    mask_ap_small: float
    mask_ap_medium: float
    mask_ap_large: float
    mask_ar: float
    box_ap: float
    box_ap50: float
    classes: tuple[ClassMetrics, ...]

    def numbers(self) -> dict[str, float]:
        """Everything but the classes."""
        fields = (field.name for field in dataclasses.fields(self))
        return {
            name: float(getattr(self, name)) for name in fields if name != "classes"
        }


def evaluate(ground_truth: dict, results: list[dict]) -> MaskMetrics:
    """Scores every image of the ground truth, also those without any detection.

    Args:
        ground_truth: COCO instances dictionary; annotation ids from 1.
        results: COCO results with `bbox` and `segmentation`.

    Raises:
        ValueError: a result is of an image that is not in the ground truth.
    """
    _require_known_images(ground_truth, results)
    masks = _accumulate(ground_truth, results, "segm")
    boxes = _accumulate(ground_truth, results, "bbox")
    instances = [each for each in ground_truth["annotations"] if not each["iscrowd"]]
    return MaskMetrics(
        num_images=len(ground_truth["images"]),
        num_objects=len(instances),
        num_detections=len(results),
        mask_ap=masks.ap(),
        mask_ap50=masks.ap(iou=0.5),
        mask_ap75=masks.ap(iou=0.75),
        mask_ap_small=masks.ap(area="small"),
        mask_ap_medium=masks.ap(area="medium"),
        mask_ap_large=masks.ap(area="large"),
        mask_ar=masks.ar(),
        box_ap=boxes.ap(),
        box_ap50=boxes.ap(iou=0.5),
        classes=tuple(
            ClassMetrics(
                category_id=category["id"],
                name=category["name"],
                num_objects=sum(
                    each["category_id"] == category["id"] for each in instances
                ),
                mask_ap=masks.ap(category_id=category["id"]),
                mask_ap50=masks.ap(iou=0.5, category_id=category["id"]),
            )
            for category in sorted(ground_truth["categories"], key=lambda c: c["id"])
        ),
    )


class _Accumulated:
    """Precision [IoU, recall, class, area, limit] and recall without the second axis.

    Both hold -1 where a class has no object of an area range.
    """

    def __init__(self, evaluated: cocoeval.COCOeval):
        self._precision = evaluated.eval["precision"][..., -1]
        self._recall = evaluated.eval["recall"][..., -1]
        self._ious = evaluated.params.iouThrs
        self._category_ids = list(evaluated.params.catIds)
        self._areas = evaluated.params.areaRngLbl

    def ap(
        self,
        iou: float | None = None,
        area: str = "all",
        category_id: int | None = None,
    ) -> float:
        values = self._precision[..., self._areas.index(area)]
        if iou is not None:
            values = values[np.isclose(self._ious, iou)]
        if category_id is not None:
            values = values[:, :, self._category_ids.index(category_id)]
        return _mean_of_defined(values)

    def ar(self) -> float:
        return _mean_of_defined(self._recall[..., self._areas.index("all")])


def _accumulate(ground_truth: dict, results: list[dict], kind: str) -> _Accumulated:
    truth = _index(ground_truth, ground_truth["annotations"])
    guesses = _index(ground_truth, [_annotation(*each) for each in enumerate(results)])
    evaluated = cocoeval.COCOeval(truth, guesses, kind)
    evaluated.params.imgIds = sorted(image["id"] for image in ground_truth["images"])
    evaluated.params.maxDets = [_MAX_DETECTIONS]
    if kind == "bbox":  # box AP is reported for all sizes together
        evaluated.params.areaRng = evaluated.params.areaRng[:1]
        evaluated.params.areaRngLbl = [_AREAS[0]]
    with contextlib.redirect_stdout(io.StringIO()):
        evaluated.evaluate()
        evaluated.accumulate()
    return _Accumulated(evaluated)


def _annotation(position: int, result: dict) -> dict:
    """A result as pycocotools' `loadRes` makes it, numbered from 1."""
    return {
        **result,
        "id": position + 1,
        "area": float(coco.maskUtils.area(result["segmentation"])),
        "iscrowd": 0,
    }


def _index(ground_truth: dict, annotations: list[dict]) -> coco.COCO:
    # COCOeval writes into the annotations, so each one gets copies.
    index = coco.COCO()
    index.dataset = {
        **ground_truth,
        "annotations": [dict(each) for each in annotations],
    }
    with contextlib.redirect_stdout(io.StringIO()):
        index.createIndex()
    return index


def _mean_of_defined(values: np.ndarray) -> float:
    defined = values[values > -1]
    return float(defined.mean()) if defined.size else float("nan")


def _require_known_images(ground_truth: dict, results: list[dict]) -> None:
    known = {image["id"] for image in ground_truth["images"]}
    unknown = sorted({result["image_id"] for result in results} - known)
    if unknown:
        raise ValueError(
            f"{len(unknown)} images have results but no ground truth, such as "
            f"{unknown[:20]}"
        )
