import pathlib

import pytest

from components.coco_example_gen.read import split_names
from foundation import errors

ROOT = pathlib.Path("/data")


def sort_files(*names, root=ROOT):
    return split_names.sort_files(root, [root / n for n in names], lambda p: p.stem)


def sort_folders(*names):
    return split_names.sort_folders([ROOT / name for name in names])


def named(path):
    return None if path is None else path.name


def test_a_test_split_is_ignored_beside_val_and_used_without():
    without = sort_files("a/train.json", "a/test.json")
    assert (without.eval, without.ignored) == (ROOT / "a/test.json", ())
    beside = sort_files("a/train.json", "a/test.json", "a/val.json")
    assert beside.eval == ROOT / "a/val.json"
    assert beside.ignored == ("a/test.json is not used",)


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("instances_train2017.json", ("instances_train2017.json", None)),
        ("Train.json", ("Train.json", None)),
        ("my-training-set.json", ("my-training-set.json", None)),
        ("instances_VAL.json", (None, "instances_VAL.json")),
        ("valid.json", (None, "valid.json")),
        ("evaluation.json", (None, "evaluation.json")),
        ("testing.json", (None, "testing.json")),
        ("trainval.json", ("trainval.json", None)),  # what is trained on is no eval
        ("default.json", (None, None)),
    ],
)
def test_a_word_anywhere_in_the_name_of_a_file_tells_its_split(name, wanted):
    found = sort_files(name)
    assert (named(found.train), named(found.eval)) == wanted


def test_what_the_words_are_looked_for_in_is_the_callers_choice():
    files = [ROOT / name / "_annotations.coco.json" for name in ("valid", "train")]
    found = split_names.sort_files(ROOT, files, lambda path: path.parent.name)
    assert (found.train, found.eval) == (files[1], files[0])


@pytest.mark.parametrize(
    ("names", "purpose"),
    [
        (("a/train2014.json", "a/train2017.json"), "training"),
        (("a/val1.json", "a/eval.json"), "validation"),
        (("a/test1.json", "a/test2.json"), "test"),
    ],
)
def test_two_files_of_a_split_are_refused_by_name(names, purpose):
    with pytest.raises(errors.CocoFormatError) as refused:
        sort_files(*names)
    assert str(refused.value) == (
        f"/data: 2 annotation files look like the {purpose} split: {', '.join(names)}. "
        "Keep one of them."
    )


def test_two_test_files_are_no_fault_where_neither_would_be_used():
    found = sort_files("train.json", "val.json", "test1.json", "test2.json")
    assert found.ignored == ("test1.json is not used", "test2.json is not used")


@pytest.mark.parametrize("root", [ROOT, pathlib.Path(), pathlib.Path("a/b")])
def test_files_right_in_the_folder_are_named_relative_to_it(root):
    assert sort_files("train.json", "other.json", root=root).ignored == (
        "other.json is not used",
    )
    with pytest.raises(errors.CocoFormatError) as refused:
        sort_files("train1.json", "train2.json", root=root)
    assert str(refused.value).startswith(f"{root}: 2 annotation files")
    assert ": train1.json, train2.json. Keep" in str(refused.value)


def test_of_many_files_the_first_ten_are_named():
    with pytest.raises(errors.CocoFormatError, match="12 annotation files") as refused:
        sort_files(*(f"train{number:02}.json" for number in range(12)))
    assert "train09.json. Keep" in str(refused.value)


@pytest.mark.parametrize(
    ("names", "train", "held_out", "ignored"),
    [
        (("Train", "validation", "test"), "Train", "validation", ("test/",)),
        (("training", "TESTING"), "training", "TESTING", ()),
        (("train", "eval"), "train", "eval", ()),
        (("train", "valid", "misc"), "train", "valid", ("misc/",)),
        (("trains", "train_set", "values"), None, None, "trains/ train_set/ values/"),
        (("val", "a"), None, "val", ("a/",)),
        ((), None, None, ()),
    ],
)
def test_a_folder_is_a_split_by_its_whole_name_only(names, train, held_out, ignored):
    found = sort_folders(*names)
    assert (named(found.train), named(found.eval)) == (train, held_out)
    unused = ignored.split() if isinstance(ignored, str) else ignored
    assert found.ignored == tuple(f"{name} is not used" for name in unused)


def test_two_folders_of_a_split_are_refused_by_name():
    with pytest.raises(errors.CocoFormatError) as refused:
        sort_folders("train", "val", "Valid")
    assert str(refused.value) == (
        "/data: val and Valid both look like the eval split. Keep one of them."
    )
