"""Ours and Hugging Face's Mask2Former trained on the same stream, scored alike.

    python -m benchmarks.convergence --peer-python .venv-parity/bin/python

Equal sizes, the same 1,200 batches of 8 toy images in the same order, the same learning
rates and published loss weights; each side has its own random start. Both sides' logits
go through one post-processing and pycocotools. Writes benchmarks/CONVERGENCE.md.
"""

import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile

import numpy as np
import tensorflow as tf
from PIL import Image
from pycocotools import coco

from benchmarks import converge_ours, machine, toy_stream
from model.evaluation import coco_metrics
from model.serve import postprocess
from model.train import optimizer
from pipeline.toy import toy_coco

ROOT = pathlib.Path(__file__).parent.parent
RESULTS = ROOT / "benchmarks" / "CONVERGENCE.md"
SIZE = 128


def main() -> None:
    """Trains both sides, scores them and writes the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--peer-python", required=True)
    parser.add_argument("--seed", type=int, default=0, help="of the batches' order")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        toy_coco.generate(folder / "toy")
        stream_file = folder / "stream.npz"
        _stream(folder / "toy", args.seed).write(stream_file)
        truth = _truth(folder / "toy", "val")
        rows = [
            _side(title, python, module, folder, truth)
            for title, python, module in (
                ("ours", sys.executable, "converge_ours"),
                ("Hugging Face", args.peer_python, "converge_peer"),
            )
        ]
    RESULTS.write_text(_page(rows), encoding="utf-8")


def _stream(root: pathlib.Path, seed: int) -> toy_stream.Stream:
    recipe = converge_ours.settings().train
    truth = _truth(root, "train")
    held_out = _truth(root, "val")
    ids = sorted(truth.imgs)
    limit = recipe.max_instances
    masks = np.zeros([len(ids), limit, SIZE, SIZE], np.uint8)
    classes = np.full([len(ids), limit], -1, np.int32)
    counts = np.zeros([len(ids)], np.int32)
    class_index = {number: place for place, number in enumerate(sorted(truth.cats))}
    for place, number in enumerate(ids):
        for each in truth.imgToAnns[number]:
            if each["iscrowd"] or counts[place] == limit:
                continue
            mask = truth.annToMask(each)
            masks[place, counts[place], : mask.shape[0], : mask.shape[1]] = mask
            classes[place, counts[place]] = class_index[each["category_id"]]
            counts[place] += 1
    random = np.random.default_rng(seed)
    shape = (recipe.steps, recipe.batch_size)
    rounds = -(-recipe.steps * recipe.batch_size // len(ids))
    order = np.concatenate([random.permutation(len(ids)) for _ in range(rounds)])
    rates = [
        float(optimizer.learning_rate(tf.constant(step), recipe))
        for step in range(recipe.steps)
    ]
    return toy_stream.Stream(
        images=_pictures(root / "train", truth, ids),
        masks=masks,
        classes=classes,
        counts=counts,
        order=order[: shape[0] * shape[1]].reshape(shape),
        flips=random.random(shape) < 0.5,
        rates=np.float32(rates),
        eval_images=_pictures(root / "val", held_out, sorted(held_out.imgs)),
    )


def _truth(root: pathlib.Path, split: str) -> coco.COCO:
    return coco.COCO(str(root / "annotations" / f"instances_{split}.json"))


def _pictures(folder: pathlib.Path, truth: coco.COCO, ids: list[int]) -> np.ndarray:
    """Images in the top left corner of a black canvas, uint8 [M, S, S, 3]."""
    canvas = np.zeros([len(ids), SIZE, SIZE, 3], np.uint8)
    for place, number in enumerate(ids):
        with Image.open(folder / truth.imgs[number]["file_name"]) as picture:
            pixels = np.asarray(picture.convert("RGB"))
        canvas[place, : pixels.shape[0], : pixels.shape[1]] = pixels
    return canvas


def _side(
    title: str, python: str, module: str, folder: pathlib.Path, truth: coco.COCO
) -> str:
    """Trains one side in its own process; its line of the table."""
    out = folder / f"{module}.npz"
    command = [python, "-m", f"benchmarks.{module}", folder / "stream.npz", out]
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run(
        command, cwd=ROOT, env=environment, check=True, stdout=subprocess.PIPE
    )
    measured = json.loads(done.stdout.splitlines()[-1])
    with np.load(out) as logits:
        results = _detections(logits["class_logits"], logits["mask_logits"], truth)
    score = coco_metrics.evaluate(truth.dataset, results)
    row = (
        f"| {title} | {measured['parameters'] / 1e6:.2f} M | "
        f"**{score.mask_ap:.3f}** | {score.mask_ap50:.3f} | {score.mask_ap75:.3f} | "
        f"{measured['seconds']:.0f} s |"
    )
    print(row, flush=True)
    return row


def _detections(
    class_logits: np.ndarray, mask_logits: np.ndarray, truth: coco.COCO
) -> list[dict]:
    """COCO results of all evaluation images, ascending by id."""
    ids, numbers = sorted(truth.imgs), sorted(truth.cats)
    sizes = [[truth.imgs[each]["height"], truth.imgs[each]["width"]] for each in ids]
    found = postprocess.detect(
        tf.constant(class_logits),
        tf.constant(mask_logits),
        tf.constant([SIZE, SIZE]),
        tf.constant(sizes),
        tf.constant(sizes),
        max_detections=100,
    )
    found = {key: value.numpy() for key, value in found.items()}
    return [
        {
            "image_id": image_id,
            "category_id": numbers[found[postprocess.CLASS_INDEX][image, rank]],
            "score": float(found[postprocess.SCORES][image, rank]),
            "bbox": found[postprocess.BOXES][image, rank].tolist(),
            "segmentation": {
                "size": size,
                "counts": found[postprocess.MASKS_RLE][image, rank],
            },
        }
        for image, (image_id, size) in enumerate(zip(ids, sizes, strict=True))
        for rank in range(found[postprocess.NUM_DETECTIONS][image])
    ]


def _page(rows: list[str]) -> str:
    return "\n".join(
        [
            "# Convergence beside the peer",
            "",
            "1,200 steps of batch 8 on the toy dataset (1,000 images, 128x128): the",
            "demo's sizes, published loss weights, the same batches and learning",
            "rates. Mask AP on 100 other images. Written by `make convergence`.",
            "",
            f"Machine: {machine.describe()}.",
            "",
            "| side | parameters | mask AP | AP50 | AP75 | training |",
            "|---|---|---|---|---|---|",
            *rows,
            "",
        ]
    )


if __name__ == "__main__":
    main()
