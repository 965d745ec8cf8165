"""What the answers of a served model must be like."""

import dataclasses
from collections.abc import Sequence

import numpy as np
from pycocotools import mask as coco_mask

from model.examples import mask_rle
from model.serve import export

# Name -> type and number of axes, the batch axis included.
_OUTPUTS = {
    export.NUM_DETECTIONS: ("int32", 1),
    export.SCORES: ("float32", 2),
    export.CATEGORY_IDS: ("int64", 2),
    export.CLASS_NAMES: ("string", 2),
    export.BOXES: ("float32", 3),
    export.MASKS_RLE: ("string", 2),
    export.IMAGE_SIZE: ("int32", 2),
}
_SCORE_TOLERANCE = 1e-4  # two paths through one graph differ by rounding only


@dataclasses.dataclass(frozen=True)
class Answer:
    """One call of one signature.

    Attributes:
        requests: which images were asked about, in the order of the batch.
        outputs: per name a dictionary of `dtype`, `shape` and nested `values`.
    """

    signature: str
    requests: list[int]
    outputs: dict[str, dict]

    def values(self, name: str) -> list:
        """Values of an output, one entry per image."""
        return self.outputs[name]["values"]


def find_faults(answers: Sequence[Answer], names: dict[int, str]) -> list[str]:
    """Holds all answers against the contract of the signatures.

    Args:
        names: class names by COCO id, as the model's table has them.

    Returns:
        One sentence per fault; none when the model may be served.
    """
    if not answers:
        return ["the model was not asked anything"]
    faults = []
    for answer in answers:
        where = f"{answer.signature} of {len(answer.requests)}"
        found = _contract_faults(answer)
        if not found:  # else the values cannot be taken apart
            for position in range(len(answer.requests)):
                found += _image_faults(answer, position, names)
        faults += [f"{where}: {fault}" for fault in found]
    return faults or _disagreements(answers)


def _contract_faults(answer: Answer) -> list[str]:
    if set(answer.outputs) != set(_OUTPUTS):
        return [f"outputs are {sorted(answer.outputs)}, wanted {sorted(_OUTPUTS)}"]
    faults = []
    for name, (dtype, rank) in _OUTPUTS.items():
        got = answer.outputs[name]
        if got["dtype"] != dtype or len(got["shape"]) != rank:
            faults.append(
                f"{name} is {got['dtype']} {got['shape']}, wanted {dtype} with {rank} "
                "axes"
            )
        elif got["shape"][0] != len(answer.requests):
            faults.append(
                f"{name} answers {got['shape'][0]} of {len(answer.requests)} images"
            )
    return faults


def _image_faults(answer: Answer, position: int, names: dict[int, str]) -> list[str]:
    """Faults in the answer on one image."""
    count = answer.values(export.NUM_DETECTIONS)[position]
    scores = np.array(answer.values(export.SCORES)[position], np.float64)
    faults = []
    if not 0 <= count <= scores.size:
        return [f"{count} detections in {scores.size} places"]
    if not np.all(np.isfinite(scores)):
        faults.append("a score is not finite")
    elif np.any((scores < 0.0) | (scores > 1.0)):
        faults.append(f"scores range from {scores.min():g} to {scores.max():g}")
    if np.any(np.diff(scores) > 0.0):
        faults.append("scores are not in descending order")
    for row in range(count):
        faults += _detection_faults(answer, position, row, names)
    return faults[:20]


def _detection_faults(
    answer: Answer, position: int, row: int, names: dict[int, str]
) -> list[str]:
    category_id = answer.values(export.CATEGORY_IDS)[position][row]
    name = answer.values(export.CLASS_NAMES)[position][row]
    faults = []
    if names.get(category_id) != name:
        faults.append(f"category {category_id} is named {name!r}, not as in the table")
    height, width = answer.values(export.IMAGE_SIZE)[position]
    counts = answer.values(export.MASKS_RLE)[position][row]
    rle = {"size": [height, width], "counts": counts}
    try:
        mask_rle.runs_from_segmentation(rle, height, width)
    except mask_rle.MaskError as error:
        return [*faults, f"mask {row} is no run lengths of {height}x{width}: {error}"]
    box = answer.values(export.BOXES)[position][row]
    tight = coco_mask.toBbox(rle)
    if not np.array_equal(tight, box):
        faults.append(f"box {row} is {box}, its mask has {tight.tolist()}")
    return faults


def _disagreements(answers: Sequence[Answer]) -> list[str]:
    """Single-image answers about one image must be the same from every signature."""
    faults, first = [], {}
    for answer in answers:
        if len(answer.requests) != 1:
            continue
        reference = first.setdefault(answer.requests[0], answer)
        scores, wanted = (
            np.array(each.values(export.SCORES)[0]) for each in (answer, reference)
        )
        same_shape = scores.shape == wanted.shape
        if not same_shape or np.abs(scores - wanted).max(initial=0) > _SCORE_TOLERANCE:
            faults.append(
                f"{answer.signature} and {reference.signature} disagree about image "
                f"{answer.requests[0]}"
            )
    return faults
