"""Folders that hold nothing but what a layout is known by, for tests."""

import pathlib

COCO = '{"images": [], "annotations": [], "categories": []}'
LABELME = '{"version": "5.0.1", "shapes": []}'


def touch(root: pathlib.Path, *paths: str, text: str = "{}") -> pathlib.Path:
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
    return root


def coco(root: pathlib.Path, *paths: str) -> pathlib.Path:
    return touch(root, *paths, text=COCO)


def labelme(root: pathlib.Path, *paths: str) -> pathlib.Path:
    return touch(root, *paths, text=LABELME)


def panoptic(root: pathlib.Path, *splits: str) -> pathlib.Path:
    """Files of the splits, each with the folder of its PNGs."""
    for split in splits:
        touch(root, f"annotations/panoptic_{split}.json")
        (root / "annotations" / f"panoptic_{split}").mkdir()
    return root


def relative(layout, source) -> tuple[str, list[str]]:
    """The annotation file of a source and its image folders, below the root."""
    folders = [str(f.relative_to(layout.root)) for f in source.image_folders]
    return str(source.annotation_file.relative_to(layout.root)), folders
