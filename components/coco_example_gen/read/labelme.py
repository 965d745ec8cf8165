"""Reads folders of LabelMe files, one for each picture, as COCO instances.

Image ids count the files in the order of their paths from 1, category ids the class
names in alphabetical order from 1, annotation ids the instances in the order of both.
"""

import dataclasses
import pathlib
import posixpath
import re
from collections.abc import Sequence

import msgspec

from components.coco_example_gen import ingest_settings, problems, safe_paths
from components.coco_example_gen.read import (
    coco_json,
    labelme_pictures,
    labelme_shapes,
    picture_formats,
    pictures,
    sources,
)
from foundation import errors

_KNOWN_VERSIONS = ("3.", "4.", "5.")


@dataclasses.dataclass
class _Picture:
    """What one file says, before classes have ids."""

    image: coco_json.CocoImage
    instances: list[labelme_shapes.Instance]


def read(
    layout: sources.Layout,
    settings: ingest_settings.IngestSettings,
    log: problems.ProblemLog,
) -> dict[str, coco_json.CocoInstances]:
    """Reads every split of a layout.

    Files that cannot be used are left out and the log is told.

    Returns:
        By name of split; the ids are unique over all of them.
    """
    split_of = {
        path: split
        for split, source in layout.sources().items()
        for path in source.annotation_files()
    }
    found: dict[str, list[_Picture]] = {split: [] for split in layout.sources()}
    ordered = sorted(
        split_of, key=lambda path: path.relative_to(layout.root).as_posix()
    )
    for image_id, path in enumerate(ordered, start=1):
        picture = _FileReader(layout, settings, path, image_id, log).read()
        if picture is not None:
            found[split_of[path]].append(picture)
    _note_pictures_without_file(layout, found, ordered, log)
    return _with_ids(found)


def _with_ids(found: dict[str, list[_Picture]]) -> dict[str, coco_json.CocoInstances]:
    names = {
        instance.class_name
        for split in found.values()
        for picture in split
        for instance in picture.instances
    }
    ids = {name: index for index, name in enumerate(sorted(names), start=1)}
    contents, next_id = {}, 1
    for split, held in found.items():
        annotations = []
        for picture in held:
            for instance in picture.instances:
                annotations.append(
                    coco_json.CocoAnnotation(
                        id=next_id,
                        image_id=picture.image.id,
                        category_id=ids[instance.class_name],
                        segmentation=instance.segmentation,
                    )
                )
                next_id += 1
        used = {annotation.category_id for annotation in annotations}
        contents[split] = coco_json.CocoInstances(
            images=[picture.image for picture in held],
            annotations=annotations,
            categories=[
                coco_json.CocoCategory(id=category_id, name=name)
                for name, category_id in ids.items()
                if category_id in used
            ],
        )
    return contents


class _FileReader:
    """Reads one file and tells the log what it left out."""

    def __init__(
        self,
        layout: sources.Layout,
        settings: ingest_settings.IngestSettings,
        path: pathlib.Path,
        image_id: int,
        log: problems.ProblemLog,
    ):
        self._settings = settings
        self._root = layout.root
        self._path = path
        self._file = path.relative_to(layout.root).as_posix()
        self._name = layout.name_of(path)
        self._image_id = image_id
        self._log = log

    def read(self) -> _Picture | None:
        content = self._decode()
        if content is None:
            return None
        place = self._place(content)
        if place is None:
            return None
        size = self._size(content, place)
        if size is None:
            return None
        height, width = size
        pattern = self._settings.label_pattern
        image = coco_json.CocoImage(
            id=self._image_id,
            file_name=place,
            height=height,
            width=width,
            embedded_in=self._file if content.holds_picture else "",
        )
        instances = labelme_shapes.instances(
            content.shapes,
            height,
            width,
            re.compile(pattern) if pattern else None,
            self._report,
        )
        return _Picture(image, instances)

    def _report(self, kind: str, message: str, action: str = "left out") -> None:
        self._log.add(
            problems.Problem(kind, self._name, message, action, self._image_id)
        )

    def _decode(self) -> labelme_pictures.LabelMeFile | None:
        if not self._path.resolve().is_relative_to(self._root.resolve()):
            self._report("unsafe_path", f"links to {self._path.resolve()}")
            return None
        try:
            text = coco_json.load(self._path, self._settings.max_annotation_bytes)
            content = msgspec.json.decode(text, type=labelme_pictures.LabelMeFile)
        except errors.CocoFormatError as error:
            self._report("broken_labelme_file", str(error))
            return None
        except msgspec.ValidationError as error:
            reason = str(error).replace("`", "")
            self._report("broken_labelme_file", f"is not a LabelMe file: {reason}")
            return None
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
            self._report("broken_labelme_file", f"is not JSON: {error}")
            return None
        if not (content.version or "").startswith(_KNOWN_VERSIONS):
            message = f"version {content.version!r} is none of LabelMe 3 to 5"
            self._report("unknown_labelme_version", message, "read as LabelMe 5")
        return content

    def _place(self, content: labelme_pictures.LabelMeFile) -> str | None:
        """Where the picture is, or, for one inside the file, would be."""
        if not content.image_path and not content.holds_picture:
            self._report("missing_image", "has neither imagePath nor imageData")
            return None
        folder, name = posixpath.split(self._file)
        try:
            return labelme_pictures.place_below(folder, content.image_path or name)
        except ValueError as error:
            if content.holds_picture:  # where it once was does not matter
                return self._file
            self._report("unsafe_path", str(error))
            return None

    def _size(
        self, content: labelme_pictures.LabelMeFile, place: str
    ) -> tuple[int, int] | None:
        """Height and width in px; of the picture when the file is wrong about them."""
        try:
            source = self._source(content, place)
        except pictures.BrokenImageError as error:
            self._report("broken_image", str(error))
            return None
        except safe_paths.LeavesRootError as error:
            self._report("unsafe_path", f"{place}: {error}")
            return None
        if source is None:
            self._report("missing_image", f"imagePath leads to {place}: no such file")
            return None
        size = labelme_pictures.size_of(source)
        if size is None:
            self._report("broken_image", f"{place}: is no picture that can be decoded")
            return None
        height, width = size.shown
        most = self._settings.max_pixels
        if height * width > most:  # before masks of its size are drawn
            message = f"has {width} x {height} px, wanted at most {most} pixels"
            self._report("oversized_image", f"{place}: {message} (data.max_pixels)")
            return None
        said = (content.image_height, content.image_width)
        if said == size.stored:  # not `said`, which may be 16.0 and 12.0
            return size.stored
        if said == size.shown:
            return size.shown
        if said != (None, None):  # the first versions did not write them
            message = (
                f"imageHeight and imageWidth are {said[0]!r} and {said[1]!r}, the "
                f"picture has {height} x {width}"
            )
            self._report("labelme_size", message, "the picture's are used")
        return size.shown

    def _source(
        self, content: labelme_pictures.LabelMeFile, place: str
    ) -> pathlib.Path | bytes | None:
        if content.holds_picture:
            return labelme_pictures.decode(content)
        return safe_paths.find(self._root, [str(self._root)], place)


def _note_pictures_without_file(
    layout: sources.Layout,
    found: dict[str, list[_Picture]],
    files: Sequence[pathlib.Path],
    log: problems.ProblemLog,
) -> None:
    """A picture nobody annotated is no example of an empty one, so it is left out."""
    named = {
        picture.image.file_name for pictures_ in found.values() for picture in pictures_
    }
    beside = {path.with_suffix("") for path in files}
    for source in layout.sources().values():
        for path in sources.files_below(
            source.annotation_file, picture_formats.SUFFIXES
        ):
            place = path.relative_to(layout.root).as_posix()
            if place in named or path.with_suffix("") in beside:
                continue
            message = "has no LabelMe file, so it counts as not annotated"
            name = layout.name_of(path)
            log.add(
                problems.Problem("picture_not_annotated", name, message, "left out")
            )
