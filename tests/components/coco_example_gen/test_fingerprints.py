import os

import pytest
from PIL import Image

from components.coco_example_gen import fingerprints
from components.coco_example_gen.read import layouts


def fingerprint(coco_folder):
    return fingerprints.of_layout(layouts.detect(coco_folder.root))


def replace_image(root):
    path = root / "val" / "2.png"
    times = path.stat()
    path.write_bytes(path.read_bytes()[::-1])  # same name, same size
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns + 1))


def change_annotation(root):
    path = root / "annotations" / "instances_train.json"
    times = path.stat()
    path.write_text(path.read_text().replace("[2, 3, 4, 5]", "[2, 3, 5, 4]"))
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))  # as some tools do


def add_image(root):
    (root / "train" / "new.png").write_bytes(b"image")


def remove_image(root):
    (root / "train" / "1.png").unlink()


def change_hidden_image(root):
    (root / "val" / ".cache" / "3.png").write_bytes(b"another image")


def change_linked_image(root):
    (root / ".store" / "4.png").write_bytes(b"another image")


@pytest.fixture
def coco_folder(coco_folder):
    """Beside its two images, one in a hidden folder and one behind a link."""
    for folder, name in (("val/.cache", "3.png"), (".store", "4.png")):
        (coco_folder.root / folder).mkdir(parents=True)
        (coco_folder.root / folder / name).write_bytes(b"image")
    (coco_folder.root / "train").mkdir()
    (coco_folder.root / "train" / "linked").symlink_to("../.store")
    (coco_folder.root / "train" / "circle").symlink_to("../train")
    (coco_folder.root / "train" / "away").symlink_to("/")
    return coco_folder


@pytest.mark.parametrize(
    "change",
    [
        replace_image,
        change_annotation,
        add_image,
        remove_image,
        change_hidden_image,
        change_linked_image,
    ],
)
def test_every_change_of_the_data_changes_the_fingerprint(coco_folder, change):
    coco_folder.two_splits()
    before = fingerprint(coco_folder)
    change(coco_folder.root)
    assert fingerprint(coco_folder) != before


def test_what_is_no_data_does_not_change_the_fingerprint(coco_folder):
    coco_folder.two_splits()
    before = fingerprint(coco_folder)
    assert len(before) == 64
    (coco_folder.root / "README.md").write_text("notes")
    (coco_folder.root / "train" / ".DS_Store").write_bytes(b"finder")
    path = coco_folder.root / "annotations" / "instances_train.json"
    path.touch()  # the content counts, not the time
    assert fingerprint(coco_folder) == before


def labelme(root):
    root.mkdir()
    (root / "1.json").write_text('{"version": "5.0.1", "shapes": []}')
    (root / "1.png").write_bytes(b"image")
    return root / "1.json", root / "1.png"


def panoptic(root):
    (root / "panoptic_train").mkdir(parents=True)
    (root / "panoptic_train.json").write_text("{}")
    (root / "panoptic_train" / "1.png").write_bytes(b"segments")
    return root / "panoptic_train.json", root / "panoptic_train" / "1.png"


@pytest.mark.parametrize(
    "name", ["1.txt", "1.MD", "1.csv", "1.json", "1.yaml", ".1", ".cache/1.txt"]
)
def test_a_picture_counts_whatever_its_name(coco_folder, ingest, name):
    """What ingestion reads by its content, and what it reads anew."""
    coco_folder.train_and_eval(
        [coco_folder.entry(1, name)], [coco_folder.annotation(1)]
    )
    coco_folder.image(f"train/{name}", format="BMP")
    before = fingerprint(coco_folder)
    path = coco_folder.root / "train" / name
    content, times = path.read_bytes(), path.stat()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 255]))
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns + 1))
    assert fingerprint(coco_folder) != before
    assert len(ingest(coco_folder.root).records("train")) == 1


def test_what_lies_outside_of_the_data_is_not_read(coco_folder, tmp_path):
    coco_folder.two_splits()
    before = fingerprint(coco_folder)
    Image.new("RGB", (5, 4)).save(tmp_path / "outside.png")
    (coco_folder.root / "train" / "1.txt").symlink_to(tmp_path / "outside.png")
    os.mkfifo(coco_folder.root / "train" / "2.txt")  # would wait for a writer
    assert fingerprint(coco_folder) == before


@pytest.mark.parametrize("make", [labelme, panoptic])
def test_annotations_and_pictures_of_other_sources_count(tmp_path, make):
    root = tmp_path / "data"
    files = make(root)
    seen = {fingerprints.of_layout(layouts.detect(root))}
    for file in files:
        file.write_bytes(file.read_bytes() + b" ")
        seen.add(fingerprints.of_layout(layouts.detect(root)))
    assert len(seen) == 3


def test_files_that_ingestion_leaves_out_have_a_fingerprint(tmp_path):
    file, picture = labelme(tmp_path / "data")
    for path in (file, picture):
        path.with_stem("2").symlink_to(tmp_path / f"nowhere{path.suffix}")
    seen = {fingerprints.of_layout(layouts.detect(tmp_path / "data"))}
    (tmp_path / "nowhere.png").write_bytes(b"image")
    seen.add(fingerprints.of_layout(layouts.detect(tmp_path / "data")))
    file.write_bytes(file.read_bytes() + b" ")
    seen.add(fingerprints.of_layout(layouts.detect(tmp_path / "data")))
    assert len(seen) == 3
