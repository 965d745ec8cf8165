"""Where the annotations and images of a dataset are, once its layout is known."""

import dataclasses
import os
import pathlib
from collections.abc import Collection, Iterator
from typing import Literal

from components import wire


@dataclasses.dataclass(frozen=True)
class SplitSource:
    """The annotations of one split and the folders their file names are relative to.

    Attributes:
        annotation_file: for LabelMe, the folder below which every picture has one.
        image_folders: in the order they are tried.
        format: which reader understands it.
        segment_folder: for panoptic, where the PNGs are.
    """

    annotation_file: pathlib.Path
    image_folders: tuple[pathlib.Path, ...]
    format: Literal["coco", "labelme", "panoptic"] = "coco"
    segment_folder: pathlib.Path | None = None

    def annotation_files(self) -> list[pathlib.Path]:
        """Every file that holds annotations, in a fixed order."""
        if self.format != "labelme":
            return [self.annotation_file]
        return list(json_files_below(self.annotation_file))


@dataclasses.dataclass(frozen=True)
class Layout:
    """What was found.

    Attributes:
        name: `coco`, `roboflow`, `panoptic`, `labelme` or `single`.
        root: no image may lie outside of it.
        eval: None when the training images have to be split.
        ignored: what was seen and is not used, one sentence each.
        prefix: stands before the names of its files when there are several roots.
    """

    name: str
    root: pathlib.Path
    train: SplitSource
    eval: SplitSource | None
    ignored: tuple[str, ...] = ()
    prefix: str = ""

    def sources(self) -> dict[str, SplitSource]:
        """The sources by the name of their split."""
        held_out = {wire.EVAL_SPLIT: self.eval} if self.eval else {}
        return {wire.TRAIN_SPLIT: self.train} | held_out

    def name_of(self, path: pathlib.Path) -> str:
        """What reports and records call a file of the root, or the root itself."""
        if path == self.root:
            return self.prefix or f"{self.root.resolve().name}/"
        return self.prefix + path.relative_to(self.root).as_posix()


def json_files_below(folder: pathlib.Path) -> Iterator[pathlib.Path]:
    """Files ending in .json, but for hidden ones, folder by folder in a fixed order."""
    return files_below(folder, {".json"})


def files_below(
    folder: pathlib.Path, suffixes: Collection[str]
) -> Iterator[pathlib.Path]:
    """Files of some suffixes, but for hidden ones, folder by folder in a fixed order.

    Args:
        suffixes: in small letters.
    """
    for parent, names, files in os.walk(folder):
        names[:] = sorted(name for name in names if not name.startswith("."))
        for name in sorted(files):
            is_hidden = name.startswith(".")
            if not is_hidden and pathlib.PurePath(name).suffix.lower() in suffixes:
                yield pathlib.Path(parent, name)
