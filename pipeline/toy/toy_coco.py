"""Writes the toy dataset: a small COCO folder with every kind of annotation in it."""

import hashlib
import json
import pathlib

import numpy as np
from PIL import Image

from foundation import artifact_trees, errors, progress
from model.examples import mask_rle
from pipeline.toy import toy_outlines, toy_shapes

CATEGORY_IDS = {"disk": 3, "box": 7, "triangle": 22}  # with gaps, as COCO's have
_MARKER = ".toy_coco.json"
_FORMAT_VERSION = 2
_JPEG_QUALITY = 92
# Which pictures are special, as (remainder, period) of their index in a split.
_GRAY = (1, 40)
_PNG = (2, 40)
_EMPTY = (3, 40)
_CROWD = (4, 20)
_BAR = (6, 10)


def generate(
    folder: pathlib.Path | str,
    num_train: int = 1000,
    num_eval: int = 100,
    seed: int = 0,
    size: int = 128,
) -> pathlib.Path:
    """Writes `annotations/instances_{train,val}.json`, `train/` and `val/`.

    The same arguments give the same bytes. A folder that was made with the same
    arguments is left as it is, edited or not; one made with others is replaced only
    when its annotations are still those written.

    Args:
        folder: where; created together with its parents.
        num_train, num_eval: images in the two splits.
        size: longest side of an image, px; every fifth is smaller.

    Returns:
        The folder.

    Raises:
        WorkspaceError: the folder holds something else, or annotations edited by
            hand that other arguments would overwrite.
    """
    folder = pathlib.Path(folder)
    parameters = {
        "format_version": _FORMAT_VERSION,
        "num_train": num_train,
        "num_eval": num_eval,
        "seed": seed,
        "size": size,
    }
    if not _is_already_there(folder, parameters):
        _replace(folder, parameters)
    return folder


def _replace(folder: pathlib.Path, parameters: dict[str, int]) -> None:
    """Writes the folder whole, or not at all."""
    try:
        with artifact_trees.whole_folder(folder) as partial:
            _write(partial, parameters)
    except OSError as error:
        raise errors.WorkspaceError(
            f"{folder}: the toy dataset cannot be written: {error}. Choose a folder "
            "you may write to."
        ) from None


def _is_already_there(folder: pathlib.Path, parameters: dict[str, int]) -> bool:
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return False
    try:
        marker = json.loads((folder / _MARKER).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise errors.WorkspaceError(
            f"{folder}: exists and is not a toy dataset. Choose another folder, or "
            "move this one away."
        ) from None
    if marker["parameters"] == parameters:
        return True
    if marker["annotations"] != _digests(folder):
        raise errors.WorkspaceError(
            f"{folder}: its annotations were edited, and it was made with "
            f"{marker['parameters']} instead of {parameters}. Move it away to have it "
            "made anew."
        )
    return False


def _digests(folder: pathlib.Path) -> dict[str, str]:
    return {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted((folder / "annotations").glob("*.json"))
    }


def _write(folder: pathlib.Path, parameters: dict[str, int]) -> None:
    (folder / "annotations").mkdir(parents=True)
    num_train, num_eval = parameters["num_train"], parameters["num_eval"]
    splits = {
        "train": range(num_train),
        "val": range(num_train, num_train + num_eval),
    }
    with progress.track("Drawing the toy dataset", num_train + num_eval) as bar:
        for split, indices in splits.items():
            _write_split(folder, split, indices, parameters, bar)
    marker = {"parameters": parameters, "annotations": _digests(folder)}
    (folder / _MARKER).write_text(json.dumps(marker), encoding="utf-8")


def _write_split(
    folder: pathlib.Path,
    split: str,
    indices: range,
    parameters: dict[str, int],
    bar: progress.Task,
) -> None:
    (folder / split).mkdir()
    images: list[dict] = []
    annotations: list[dict] = []
    for position, index in enumerate(indices):
        rng = np.random.default_rng([parameters["seed"], index])
        pixels, things = _draw(rng, position, parameters["size"])
        height, width = pixels.shape[:2]
        file_name = _save_image(folder / split, index, position, pixels)
        images.append(
            {"id": index + 1, "file_name": file_name, "height": height, "width": width}
        )
        for thing in things:
            annotations.append(_annotation(len(annotations) + 1, index + 1, thing))
        bar.advance()
    content = {
        "info": {"description": "toy shapes"},
        "images": images,
        "annotations": annotations,
        "categories": [
            {"id": category_id, "name": name, "supercategory": "shape"}
            for name, category_id in CATEGORY_IDS.items()
        ],
    }
    path = folder / "annotations" / f"instances_{split}.json"
    path.write_text(json.dumps(content, separators=(",", ":")), encoding="utf-8")


def _draw(
    rng: np.random.Generator, position: int, size: int
) -> tuple[np.ndarray, list[toy_shapes.Thing]]:
    height, width = _image_size(rng, size)
    with_bar = _is_special(position, _BAR)  # draws two objects by itself
    num_objects = int(rng.integers(0, 3) if with_bar else rng.integers(1, 5))
    return toy_shapes.draw_scene(
        rng,
        height,
        width,
        num_objects=0 if _is_special(position, _EMPTY) else num_objects,
        with_crowd=_is_special(position, _CROWD),
        with_bar=with_bar,
    )


def _image_size(rng: np.random.Generator, size: int) -> tuple[int, int]:
    if rng.random() >= 0.2:
        return size, size
    height, width = rng.integers(size * 3 // 4, size + 1, 2)
    return int(height), int(width)


def _is_special(position: int, rule: tuple[int, int]) -> bool:
    remainder, period = rule
    return position % period == remainder


def _save_image(
    folder: pathlib.Path, index: int, position: int, pixels: np.ndarray
) -> str:
    """Saves uint8 [H, W, 3] and returns the file name."""
    picture = Image.fromarray(pixels)
    if _is_special(position, _PNG):
        name = f"{index + 1:06d}.png"
        picture.save(folder / name, optimize=False)
        return name
    if _is_special(position, _GRAY):
        picture = picture.convert("L")
    name = f"{index + 1:06d}.jpg"
    picture.save(folder / name, quality=_JPEG_QUALITY, subsampling=0)
    return name


def _annotation(annotation_id: int, image_id: int, thing: toy_shapes.Thing) -> dict:
    runs = mask_rle.runs_from_mask(thing.visible)
    height, width = thing.visible.shape
    outlines = None if thing.is_crowd else toy_outlines.polygons(thing.visible)
    segmentation = outlines or {"size": [height, width], "counts": runs.tolist()}
    return {
        "id": annotation_id,
        "image_id": image_id,
        "category_id": CATEGORY_IDS[thing.name],
        "iscrowd": int(thing.is_crowd),
        "area": mask_rle.area(runs),
        "bbox": list(mask_rle.box_xywh_px(runs, height)),
        "segmentation": segmentation,
    }
