"""Compares this network with the reference, number by number.

    make parity

runs the reference (PyTorch, its own environment) at full sizes, converts its
weights, runs ours on the same images and points, and prints the deviations. The two
frameworks meet in files. The tests in tests/parity do the same with stored files.
"""

import argparse
import dataclasses
import itertools
import pathlib
import subprocess
import sys
import tempfile
from collections.abc import Iterator

import numpy as np
import our_model
from rich import console, table

from model.weights import weights_names, weights_rules

_LOGIT_TOLERANCE = 1e-3  # absolute
_LOSS_TOLERANCE = 1e-4  # relative
_GRADIENT_TOLERANCE = 1e-3  # relative
_FEATURE_TOLERANCE = 1e-4  # of the largest value
# Of the worst weight. Bilinear sampling has a kink at every pixel centre, and about
# ten of a layer's 450,000 sampling places lie so near one that rounding picks the side:
# each such place moves the gradient of the offsets by about 1 / sqrt(450,000). ReLU and
# max-pooling do likewise. The reference deviates as much from itself in float64.
_KINK_TOLERANCE = 1e-2
# Some gradients are zero but for rounding (a key's bias moves all scores alike): the
# deviation of a weight is measured against at least this share of the mean norm.
_GRADIENT_FLOOR = 1e-3
_SEED = "1"
_WIDTH = 110
_CANVAS = (384, 384)  # Hugging Face's post-processing always resizes to this
_HERE = pathlib.Path(__file__).parent


@dataclasses.dataclass(frozen=True)
class Row:
    """One comparison.

    Attributes:
        measure: what the deviation is.
        deviation: the worst there is.
    """

    name: str
    measure: str
    deviation: float
    tolerance: float

    @property
    def passed(self) -> bool:
        """Whether it is small enough; NaN is not."""
        return bool(self.deviation <= self.tolerance)


def main() -> int:
    """Prints a table for each network and size; exit code 1 when something deviates."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--reference-python", default=".venv-parity/bin/python")
    parser.add_argument("--backbones", nargs="+", default=["resnet50", "swin_tiny"])
    parser.add_argument("--sizes", nargs="+", default=["480x480", "512x640"])
    parser.add_argument("--seed", default=_SEED)
    arguments = parser.parse_args()
    failed = False
    with tempfile.TemporaryDirectory() as parent:
        runs = list(itertools.product(arguments.backbones, arguments.sizes))
        folders = [pathlib.Path(parent) / "_".join(run) for run in runs]
        for run, folder in zip(runs, folders, strict=True):
            _run_reference(arguments.reference_python, *run, arguments.seed, folder)
        for run, folder in zip(runs, folders, strict=True):
            rows = list(compare_folder(folder))
            console.Console(width=_WIDTH).print(_table(" ".join(run), rows))
            failed |= not all(row.passed for row in rows)
    return int(failed)


def _run_reference(
    python: str, backbone: str, size: str, seed: str, folder: pathlib.Path
) -> None:
    height, width = size.split("x")
    command = [python, str(_HERE / "make_parity_fixtures.py"), "--out", str(folder)]
    options = {"backbone": backbone, "height": height, "width": width, "seed": seed}
    command += [f"--{name}={value}" for name, value in options.items()]
    subprocess.run(command, check=True)


def compare_folder(folder: pathlib.Path) -> Iterator[Row]:
    """Runs ours on what a folder holds, and compares."""
    network = our_model.load_network(folder / "model.safetensors")
    with np.load(folder / "reference.npz") as file:
        reference = dict(file)
    ours = our_model.run(network, reference)
    yield from feature_rows(reference, ours)
    yield from prediction_rows(reference, ours)
    yield from attention_rows(reference, ours)
    yield from loss_rows(reference, ours)
    yield from gradient_rows(reference, ours)
    yield from detection_rows(reference, ours)


def feature_rows(reference: our_model.Arrays, ours: our_model.Arrays) -> Iterator[Row]:
    """Backbone stages, one deformable attention alone, pixel decoder."""
    for name in ours:
        if name.startswith(("backbone/", "deformable/", "pixel_decoder/")):
            worst = np.abs(ours[name] - reference[name]).max()
            share = worst / np.abs(reference[name]).max()
            yield Row(name, "of the largest value", share, _FEATURE_TOLERANCE)


def prediction_rows(
    reference: our_model.Arrays, ours: our_model.Arrays
) -> Iterator[Row]:
    """Class and mask logits of every prediction."""
    for name in ("class_logits", "mask_logits"):
        for index, (got, expected) in enumerate(
            zip(ours[name], reference[name], strict=True)
        ):
            worst = np.abs(got - expected).max()
            yield Row(f"{name}/{index}", "absolute", worst, _LOGIT_TOLERANCE)


def attention_rows(
    reference: our_model.Arrays, ours: our_model.Arrays
) -> Iterator[Row]:
    """Bits of the attention masks: how decided the logit is where they differ."""
    index, bits = 0, 0
    worst = 0.0
    while f"blocked/{index}" in ours:
        differ = ours[f"blocked/{index}"] != reference[f"blocked/{index}"]
        bits += int(differ.sum())
        if differ.any():
            logits = np.abs(ours[f"blocked_logits/{index}"][differ])
            worst = max(worst, float(logits.max()))
        index += 1
    measure = f"|logit| of {bits} differing bits"
    yield Row("attention masks", measure, worst, our_model.UNDECIDED_LOGIT)


def loss_rows(reference: our_model.Arrays, ours: our_model.Arrays) -> Iterator[Row]:
    """Matching costs and pairs, loss terms of every prediction, their weighted sum."""
    expected = reference["costs"]
    valid = np.isfinite(expected)
    worst = np.abs(ours["costs"][valid] - expected[valid]).max()
    yield Row("matching costs", "absolute", worst, _LOGIT_TOLERANCE)
    pairs = int((ours["query_index"] != reference["query_index"]).sum())
    yield Row("matched pairs", "differing", pairs, 0)
    for term in ("class", "mask", "dice", "total"):
        got, expected = ours[f"loss/{term}"], reference[f"loss/{term}"]
        worst = np.abs(got / expected - 1.0).max()
        yield Row(f"loss/{term}", "relative", worst, _LOSS_TOLERANCE)


def gradient_rows(reference: our_model.Arrays, ours: our_model.Arrays) -> Iterator[Row]:
    """Gradients of the total loss: all at once, the median and the worst weight's."""
    prefix = "gradient/"
    theirs = {
        name.removeprefix(prefix): value
        for name, value in reference.items()
        if name.startswith(prefix)
    }
    mapped = weights_names.translate(theirs, weights_rules.HUGGING_FACE).weights
    # Batch norms are frozen here and learned there.
    names = [name for name in mapped if prefix + name in ours]
    norms = {name: np.linalg.norm(mapped[name]) for name in names}
    gaps = {n: np.linalg.norm(ours[prefix + n] - mapped[n]) for n in names}
    floor = _GRADIENT_FLOOR * np.mean(list(norms.values()))
    shares = {name: gaps[name] / max(norms[name], floor) for name in names}
    whole = np.linalg.norm(list(gaps.values())) / np.linalg.norm(list(norms.values()))
    title = f"gradients of {len(names)} weights"
    yield Row(title, "relative", whole, _GRADIENT_TOLERANCE)
    median = float(np.median(list(shares.values())))
    beyond = sum(share > _GRADIENT_TOLERANCE for share in shares.values())
    measure = f"relative, median; {beyond} beyond"
    yield Row("gradient of a weight", measure, median, _GRADIENT_TOLERANCE)
    worst = max(shares, key=lambda name: shares[name])
    yield Row(worst, "relative, the worst", shares[worst], _KINK_TOLERANCE)


def detection_rows(
    reference: our_model.Arrays, ours: our_model.Arrays
) -> Iterator[Row]:
    """Post-processed instances of our last prediction, one by one."""
    class_logits, mask_logits = ours["class_logits"][-1], ours["mask_logits"][-1]
    found = our_model.detect(
        class_logits, mask_logits, _CANVAS, _CANVAS, _CANVAS, class_logits.shape[1]
    )
    for image, detections in enumerate(found):
        expected = reference_detections(reference, image)
        score_gap, mask_gap = paired_gaps(expected, detections)
        name = f"{len(expected.scores)} detections of image {image}"
        yield Row(f"{name}: scores", "absolute", score_gap, _LOGIT_TOLERANCE)
        yield Row(f"{name}: masks", "share of pixels", mask_gap, _LOGIT_TOLERANCE)


def reference_detections(
    reference: our_model.Arrays, image: int
) -> our_model.Detections:
    """What Hugging Face's post-processing found in an image."""
    scores, class_index, masks = (
        reference[f"detections/{image}/{name}"]
        for name in ("scores", "class_index", "masks")
    )
    unpacked = np.unpackbits(masks, axis=-1, count=_CANVAS[1]).astype(bool)
    return our_model.Detections(scores, class_index, unpacked)


def paired_gaps(
    expected: our_model.Detections, found: our_model.Detections
) -> tuple[float, float]:
    """Pairs detections of the same class that are most alike.

    Returns:
        Worst difference of scores, and worst share of pixels that differ; infinite
        when their numbers differ or one has no partner.
    """
    free = list(range(len(found.scores)))
    score_gap = mask_gap = 0.0
    if len(free) != len(expected.scores):
        return np.inf, np.inf
    for index, score in enumerate(expected.scores):
        alike = [
            (
                abs(float(found.scores[other] - score)),
                float((found.masks[other] != expected.masks[index]).mean()),
                other,
            )
            for other in free
            if found.class_index[other] == expected.class_index[index]
        ]
        if not alike:
            return np.inf, np.inf
        best = min(alike, key=lambda candidate: candidate[0] + candidate[1])
        score_gap, mask_gap = max(score_gap, best[0]), max(mask_gap, best[1])
        free.remove(best[2])
    return score_gap, mask_gap


def _table(title: str, rows: list[Row]) -> table.Table:
    view = table.Table("", "deviation", "is", "allowed", title=title)
    for row in rows:
        style = "" if row.passed else "bold red"
        view.add_row(
            row.name,
            f"{row.deviation:.1e}",
            row.measure,
            f"{row.tolerance:.0e}",
            style=style,
        )
    return view


if __name__ == "__main__":
    sys.exit(main())
