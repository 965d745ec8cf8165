"""The fingerprint of a dataset: equal as long as no annotation or image changes."""

import hashlib
import os
import pathlib
from collections.abc import Iterable, Sequence

from components.coco_example_gen.read import layouts, picture_formats

_READ_BYTES = 1 << 20
# What lies beside images, mostly without being one: a new note must not re-ingest.
_NOTES = (".json", ".txt", ".md", ".yaml", ".yml", ".csv")


def of_layouts(data: Sequence[layouts.Layout]) -> str:
    """The fingerprint of one or several roots; their order counts.

    Returns:
        SHA-256 in hex.
    """
    found = [of_layout(layout) for layout in data]
    if len(found) == 1:
        return found[0]
    return hashlib.sha256("\n".join(found).encode()).hexdigest()


def of_layout(layout: layouts.Layout) -> str:
    """Hashes the annotation files' content and the images' name, size and mtime.

    Reading every image would take as long as ingesting it, and so would reading
    LabelMe files, which may hold images.

    Returns:
        SHA-256 in hex.
    """
    digest = hashlib.sha256(os.fsencode(f"{layout.name}{layout.prefix}"))
    sources = layout.sources().values()
    described: set[pathlib.Path] = set()
    for source in sources:
        if source.format == "labelme":
            described.update(source.annotation_files())
            continue
        name = source.annotation_file.relative_to(layout.root)
        content = _content_hash(source.annotation_file)
        digest.update(os.fsencode(f"\n{name}\0{content}"))
    # The root is one of the folders, so PNGs of segments are among the images.
    folders = dict.fromkeys(f for source in sources for f in source.image_folders)
    for path in sorted(described | _image_files(layout.root.resolve(), folders)):
        digest.update(os.fsencode(f"\n{path}\0{_state(path)}"))
    return digest.hexdigest()


def _content_hash(path: pathlib.Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_READ_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def _state(path: pathlib.Path) -> str:
    """Size and time; what cannot be read may still be left out by ingestion."""
    try:
        status = path.stat()
    except OSError as error:
        return str(error.strerror)
    return f"{status.st_size}\0{status.st_mtime_ns}"


def _image_files(
    root: pathlib.Path, folders: Iterable[pathlib.Path]
) -> set[pathlib.Path]:
    """Every file that ingestion would read, hidden or behind a link inside the root.

    Args:
        root: links resolved.
    """
    found, walked = set(), set()
    for folder in folders:
        for parent, names, files in os.walk(folder, followlinks=True):
            place = pathlib.Path(parent).resolve()
            if place in walked or not place.is_relative_to(root):
                names.clear()  # links may lead in circles
                continue
            walked.add(place)
            names.sort()  # which of two links to a folder comes first
            below = pathlib.Path(parent).relative_to(folder)
            found |= {
                pathlib.Path(parent, name)
                for name in files
                if _is_picture_by_name(below / name)
                or _is_picture_by_content(place / name, root)
            }
    return found


def _is_picture_by_name(path: pathlib.Path) -> bool:
    """Of hidden files, which tools leave and change, only those named like pictures."""
    suffix = path.suffix.lower()
    if any(part.startswith(".") for part in path.parts):
        return suffix in picture_formats.SUFFIXES
    return suffix not in _NOTES


def _is_picture_by_content(path: pathlib.Path, root: pathlib.Path) -> bool:
    """Annotations may name any file, and its content decides what it is.

    Args:
        path: in a folder below the root, of which both have their links resolved.
    """
    try:
        leaves = path.is_symlink() and not path.resolve().is_relative_to(root)
        if leaves or not path.is_file():  # opening a pipe would wait for a writer
            return False
        with path.open("rb") as file:
            return picture_formats.begins_like_picture(
                file.read(picture_formats.HEAD_BYTES)
            )
    except OSError:
        return True  # it may be readable when it is ingested
