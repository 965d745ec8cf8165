import pathlib

import pytest

from components.coco_example_gen import problems
from components.coco_example_gen.read import coco_json, merging, sources
from foundation import errors


def root(name, categories, train=(), held_out=()):
    """A root whose images have one annotation each.

    Args:
        categories: id -> name.
        train, held_out: triples of image, annotation and category id.
    """
    place = pathlib.Path("/data", name)
    source = sources.SplitSource(place / "a.json", (place,))
    layout = sources.Layout("single", place, source, None, prefix=f"{name}/")
    known = {
        key: coco_json.CocoCategory(id=key, name=text)
        for key, text in categories.items()
    }

    def content(rows):
        return coco_json.CocoInstances(
            images=[
                coco_json.CocoImage(id=i, file_name=f"{i}.jpg", height=4, width=4)
                for i, _, _ in rows
            ],
            annotations=[
                coco_json.CocoAnnotation(id=a, image_id=i, category_id=c)
                for i, a, c in rows
            ],
            categories=list(known.values()),
        )

    return merging.Root(
        layout, {"train": content(train), "eval": content(held_out)}, known
    )


def rows(content, categories):
    """What a reader of the merged data sees of each annotation."""
    of_image = {image.id: image for image in content.images}
    assert len(of_image) == len(content.images)
    return [
        (
            of_image[a.image_id].root_index,
            of_image[a.image_id].file_name,
            categories[a.category_id].name,
        )
        for a in content.annotations
    ]


def test_one_root_stays_as_it_is():
    alone = root("a", {3: "cat"}, [(0, 5, 3)], [(0, 5, 3)])
    log = problems.ProblemLog()
    contents, categories = merging.merge([alone], log)
    assert rows(contents["train"], categories) == [(0, "0.jpg", "cat")]
    assert contents["eval"].images[0].id == 0
    assert log.counts == {}


def test_classes_are_joined_by_name_and_keep_ids_that_are_free():
    first = root("a", {1: "cat", 3: "dog"}, [(1, 1, 1), (2, 2, 3)])
    second = root("b", {1: "dog", 2: "bus", 3: "tram"}, [(7, 7, 1), (8, 8, 2)])
    third = root("c", {9: "tram", 2: "bus"}, [(11, 11, 9), (12, 12, 2)])
    log = problems.ProblemLog()
    contents, categories = merging.merge([first, second, third], log)
    assert {key: c.name for key, c in categories.items()} == {
        1: "cat",
        3: "dog",
        2: "bus",
        4: "tram",
    }
    assert rows(contents["train"], categories) == [
        (0, "1.jpg", "cat"),
        (0, "2.jpg", "dog"),
        (1, "7.jpg", "dog"),
        (1, "8.jpg", "bus"),
        (2, "11.jpg", "tram"),
        (2, "12.jpg", "bus"),
    ]
    told = [(p.kind, p.file, p.message, p.action) for p in log.examples]
    another = "has another id elsewhere"
    kind = "category_id_changed"
    assert told == [
        (kind, "b/", f"category 1 ('dog') {another}", "counts as 3"),
        (kind, "b/", "the id of category 3 ('tram') is taken", "counts as 4"),
        (kind, "c/", f"category 9 ('tram') {another}", "counts as 4"),
    ]


def test_colliding_ids_of_a_later_root_are_all_moved_by_one_number():
    first = root("a", {1: "cat"}, [(4, 40, 1)], [(9, 90, 1)])
    second = root("b", {1: "cat"}, [(0, 1, 1), (9, 2, 1)], [(1, 3, 1)])
    third = root("c", {1: "cat"}, [(100, 2, 1)])
    log = problems.ProblemLog()
    contents, categories = merging.merge([first, second, third], log)
    train, held_out = contents["train"], contents["eval"]
    assert [image.id for image in train.images] == [4, 10, 19, 100]
    assert [image.id for image in held_out.images] == [9, 11]
    assert [(a.id, a.image_id) for a in train.annotations] == [
        (40, 4),
        (1, 10),
        (2, 19),
        (93, 100),
    ]
    assert rows(train, categories)[2] == (1, "9.jpg", "cat")
    assert [(p.file, p.message, p.action) for p in log.examples] == [
        (
            "b/",
            "1 image ids are in use below an earlier root, such as 9",
            "10 is added to all of them",
        ),
        (
            "c/",
            "1 annotation ids are in use below an earlier root, such as 2",
            "91 is added to all of them",
        ),
    ]


def test_ids_without_room_above_them_are_refused():
    first = root("a", {1: "cat"}, [(2**63 - 1, 1, 1)])
    second = root("b", {1: "cat"}, [(2**63 - 1, 2, 1)])
    with pytest.raises(errors.CocoFormatError, match="/data/b: its ids collide"):
        merging.merge([first, second], problems.ProblemLog())
