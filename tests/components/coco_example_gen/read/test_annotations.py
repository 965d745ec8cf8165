import pytest

from components.coco_example_gen import ingest_settings, problems
from components.coco_example_gen.read import annotations, layouts
from foundation import errors


def read(coco_folder, **options):
    log = problems.ProblemLog(options.get("on_problem", "repair"))
    layout = layouts.detect(coco_folder.root)
    settings = ingest_settings.IngestSettings(eval_fraction=0.25, **options)
    splits = annotations.read_splits([layout], settings, log)
    return {split.name: split for split in splits}, log


def single(coco_folder, images, **options):
    entries = [coco_folder.entry(image_id, f"{image_id}.png") for image_id in images]
    coco_folder.write("trainval.json", entries, [], **options)


def ids(split):
    return [image.id for image in split.images]


def test_the_seeded_split_is_exact_and_does_not_depend_on_the_order():
    numbers = list(range(100))
    chosen = annotations.choose_eval_ids(numbers, 0.25, seed=0)
    assert len(chosen) == 25
    reordered = numbers[::-3] + [n for n in numbers if n not in numbers[::-3]]
    assert annotations.choose_eval_ids(reordered, 0.25, seed=0) == chosen
    assert annotations.choose_eval_ids(numbers, 0.25, seed=1) != chosen


@pytest.mark.parametrize(("fraction", "expected"), [(0.001, 1), (0.999, 2)])
def test_each_side_of_the_split_gets_an_image(fraction, expected):
    assert len(annotations.choose_eval_ids([4, 5, 6], fraction, 0)) == expected


def test_one_image_cannot_be_split(coco_folder):
    single(coco_folder, [1])
    with pytest.raises(errors.CocoFormatError, match="lists 1 image.*at least 2"):
        read(coco_folder)


def test_a_single_file_is_split_into_sorted_disjoint_parts(coco_folder):
    single(coco_folder, [9, 3, 1, 7])
    splits, _ = read(coco_folder)
    train, held_out = ids(splits["train"]), ids(splits["eval"])
    assert train == sorted(train) and len(held_out) == 1
    assert sorted(train + held_out) == [1, 3, 7, 9]


def test_all_contradictions_of_both_files_are_listed_together(coco_folder):
    for split in ("train", "val"):
        images = [coco_folder.entry(1, "a.png"), coco_folder.entry(1, "b.png")]
        boxes = [
            coco_folder.annotation(1, id=4),
            coco_folder.annotation(8, id=4),
            coco_folder.annotation(1, category_id=6, id=5),
        ]
        coco_folder.write(f"annotations/instances_{split}.json", images, boxes)
    with pytest.raises(errors.CocoFormatError, match="8 faults") as refused:
        read(coco_folder)
    message = str(refused.value)
    for split in ("train", "val"):
        file = f"annotations/instances_{split}.json"
        assert f"{file}, image 1: image id 1 is used 2 times" in message
        assert f"{file}, annotation 4: annotation id 4 is used 2 times" in message
        assert f"{file}, annotation 4: image_id 8 is not one of 1" in message
        assert f"{file}, annotation 5: category_id 6 is not one of 5" in message


def test_a_class_of_another_id_in_each_file_is_one_and_that_is_told(coco_folder):
    coco_folder.two_splits()
    coco_folder.write(
        "annotations/instances_val.json",
        [coco_folder.entry(2, "2.png")],
        [coco_folder.annotation(2, category_id=9)],
        [{"id": 9, "name": "square"}],
    )
    splits, log = read(coco_folder)
    (image,) = splits["eval"].planned(0, 1)
    assert [each.category_id for each in image.objects] == [5]
    (told,) = log.examples
    assert (told.kind, told.action) == ("category_id_changed", "counts as 5")
    assert told.file == "annotations/instances_val.json"
    assert "category 9 ('square')" in told.message


def test_an_unused_split_is_reported(coco_folder):
    coco_folder.two_splits()
    coco_folder.write("annotations/instances_test.json", [], [])
    _, log = read(coco_folder)
    assert log.counts["split_ignored"] == 1
