"""What `m2f predict` does: detects in image files, draws and lists what was found."""

import collections
import dataclasses
import io
import json
import pathlib
import warnings
from collections.abc import Iterable, Sequence

import numpy as np
import tensorflow as tf
from PIL import Image, ImageOps, UnidentifiedImageError

from foundation import artifact_paths, drawing, errors, progress
from model.serve import saved_model

RESULTS_FILENAME = "predictions.json"
_MAX_LISTED = 20
_EXIF_ORIENTATION = 0x0112


@dataclasses.dataclass(frozen=True)
class Summary:
    """What was made.

    Attributes:
        pictures: image file -> the picture drawn of it.
        objects: how many of each class were drawn.
    """

    model: artifact_paths.Path
    out_dir: pathlib.Path
    pictures: dict[pathlib.Path, pathlib.Path]
    objects: collections.Counter[str]

    def note(
        self, file: pathlib.Path, picture: pathlib.Path, found: saved_model.Detections
    ) -> None:
        """Takes note of what was drawn of one image."""
        self.pictures[file] = picture
        self.objects.update(found.class_names)

    def __str__(self) -> str:
        counts = [f"{count} {name}" for name, count in sorted(self.objects.items())]
        return (
            f"model     {self.model}\n"
            f"found     {', '.join(counts) or 'nothing'} in "
            f"{len(self.pictures)} image(s)\n"
            f"pictures  {self.out_dir}\n"
            f"results   {self.out_dir / RESULTS_FILENAME}"
        )


class _UnreadableImageError(Exception):
    """An image file that cannot be used; the message says why."""


def predict_files(
    model_dir: pathlib.Path,
    image_paths: Sequence[pathlib.Path],
    out_dir: pathlib.Path,
    min_score: float = 0.5,
) -> Summary:
    """Detects in files of any format that Pillow reads.

    Writes a PNG for each image and one COCO results file, where `image_id` counts
    the images from 1 and `file_name` says which one it is. Pictures are turned as
    their EXIF data asks; masks and boxes are in the turned picture.

    Args:
        image_paths: files, or folders whose images are all taken.
        min_score: detections below it are left out of pictures and results.

    Raises:
        ModelFileError: there is no such model.
        UserError: `out_dir` cannot be written, or (others are done) images be read.
    """
    files, unreadable = _expand(image_paths)
    _make_folder(out_dir)
    model = saved_model.load(model_dir)
    targets, results = _name_pictures(files, out_dir), []
    summary = Summary(model.path, out_dir, {}, collections.Counter())
    with progress.track("Predicting", total=len(files)) as task:
        for image_id, file in enumerate(files, start=1):
            try:
                found = _draw(model, file, targets[file], min_score)
            except _UnreadableImageError as error:
                unreadable.append(f"{file}: {error}")
            else:
                results += _results(image_id, file, found)
                summary.note(file, targets[file], found)
            task.advance()
    if summary.pictures:
        _write_results(results, out_dir)
    if unreadable:
        raise errors.UserError(_explain(unreadable, len(summary.pictures), out_dir))
    return summary


def _draw(
    model: saved_model.Predictor,
    file: pathlib.Path,
    target: pathlib.Path,
    min_score: float,
) -> saved_model.Detections:
    """Draws what is found in one file, and returns it.

    Raises:
        _UnreadableImageError: it is no picture, or not all of one.
    """
    picture, found = _detect(model, file)
    found = _above(found, min_score)
    colours = drawing.class_colours([each.category_id for each in model.categories])
    drawing.draw(picture, found, colours).save(target)
    return found


def _write_results(results: list[dict], out_dir: pathlib.Path) -> None:
    text = json.dumps(results, indent=1, ensure_ascii=False)
    (out_dir / RESULTS_FILENAME).write_text(text, encoding="utf-8")


def _expand(paths: Iterable[pathlib.Path]) -> tuple[list[pathlib.Path], list[str]]:
    """Files in the order given, each once; and a sentence for each useless path."""
    suffixes = set(Image.registered_extensions())
    files, useless = [], []
    for path in paths:
        if path.is_dir():
            inside = sorted(p for p in path.iterdir() if p.suffix.lower() in suffixes)
            files += inside
            if not inside:
                useless.append(f"{path}: a folder without images")
        elif path.exists():
            files.append(path)
        else:
            useless.append(f"{path}: no such file")
    once: dict[pathlib.Path, pathlib.Path] = {}
    for file in files:
        once.setdefault(file.resolve(), file)
    return list(once.values()), useless


def _make_folder(out_dir: pathlib.Path) -> None:
    try:
        out_dir.mkdir(parents=True, exist_ok=True)
        probe = out_dir / f".{RESULTS_FILENAME}.probe"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise errors.UserError(
            f"--out {out_dir}: cannot be written: {error.strerror}. Give a folder of "
            "your own."
        ) from None


def _name_pictures(
    files: Sequence[pathlib.Path], out_dir: pathlib.Path
) -> dict[pathlib.Path, pathlib.Path]:
    """A name of its own for each picture, never that of an input."""
    # In lower case, because not every file system tells the cases apart.
    home = out_dir.resolve()
    taken = {f.name.lower() for f in files if f.resolve().parent == home}
    targets = {}
    for file in files:
        number, target = 1, out_dir / f"{file.stem}.png"
        while target.name.lower() in taken:
            number += 1
            target = out_dir / f"{file.stem}-{number}.png"
        taken.add(target.name.lower())
        targets[file] = target
    return targets


def _detect(
    model: saved_model.Predictor, file: pathlib.Path
) -> tuple[Image.Image, saved_model.Detections]:
    """Reads one file and asks the model.

    Raises:
        _UnreadableImageError: not a file that Pillow can decode.
    """
    try:
        content = file.read_bytes()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # large and slightly odd files are fine
            image = Image.open(io.BytesIO(content))
            image.load()
            picture = _to_rgb(ImageOps.exif_transpose(image))
    except UnidentifiedImageError:
        raise _UnreadableImageError("cannot be decoded: no known format") from None
    except Exception as error:  # a broken file makes Pillow raise nearly anything
        reason = " ".join(str(error).split())
        raise _UnreadableImageError(f"cannot be decoded: {reason[:200]}") from None
    if _is_stored_form(image):
        try:  # the bytes themselves, as a client of the served model sends them
            return picture, model.predict_encoded([content])[0]
        except tf.errors.InvalidArgumentError:
            pass  # Pillow forgives more than TensorFlow
    return picture, model.predict_pixels(np.asarray(picture)[None])[0]


def _is_stored_form(image: Image.Image) -> bool:
    """Is it what the examples hold: JPEG or PNG, 8 bits, gray or RGB, not turned?"""
    turned = image.getexif().get(_EXIF_ORIENTATION, 1) != 1
    known = image.format in ("JPEG", "PNG") and image.mode in ("L", "RGB")
    return known and not turned


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I"):  # 16 bits; Pillow itself would clip, not scale
        pixels = np.clip(np.asarray(image).astype(np.int64), 0, 65535)
        image = Image.fromarray((pixels >> 8).astype(np.uint8))
    return image.convert("RGB")


def _above(found: saved_model.Detections, min_score: float) -> saved_model.Detections:
    count = int(np.count_nonzero(found.scores >= min_score))  # best first
    return saved_model.Detections(
        scores=found.scores[:count],
        category_ids=found.category_ids[:count],
        class_names=found.class_names[:count],
        boxes=found.boxes[:count],
        masks=found.masks[:count],
        image_size=found.image_size,
    )


def _results(
    image_id: int, file: pathlib.Path, found: saved_model.Detections
) -> list[dict]:
    rows = found.coco_results(image_id)
    for row, name in zip(rows, found.class_names, strict=True):
        row["file_name"] = str(file)
        row["category_name"] = name
    return rows


def _explain(unreadable: list[str], num_done: int, out_dir: pathlib.Path) -> str:
    listed = "\n".join(f"  {line}" for line in unreadable[:_MAX_LISTED])
    more = len(unreadable) - _MAX_LISTED
    listed += f"\n  ... and {more} more" if more > 0 else ""
    rest = f"The other {num_done} are done: {out_dir}. " if num_done else ""
    return (
        f"{len(unreadable)} image(s) could not be read:\n{listed}\n{rest}Give image "
        "files such as JPEG, PNG, WebP or TIFF."
    )
