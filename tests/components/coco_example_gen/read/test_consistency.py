import pytest

from components.coco_example_gen import problems
from components.coco_example_gen.read import coco_json, consistency
from foundation import errors


def image(image_id, file_name="1.png", **changes):
    shape = {"height": 4, "width": 4, **changes}
    return coco_json.CocoImage(id=image_id, file_name=file_name, **shape)


def annotation(annotation_id, image_id=1, category_id=5, **changes):
    return coco_json.CocoAnnotation(
        id=annotation_id, image_id=image_id, category_id=category_id, **changes
    )


def category(category_id, name="square", supercategory=None):
    return coco_json.CocoCategory(
        id=category_id, name=name, supercategory=supercategory
    )


def content(images=(), annotations=(), categories=()):
    return coco_json.CocoInstances(
        images=list(images or [image(1)]),
        annotations=list(annotations),
        categories=list(categories or [category(5)]),
    )


def check_ids(found, on_problem="report"):
    log = problems.ProblemLog(on_problem)
    consistency.check_ids("a.json", found, log)
    return log


def note_oddities(found):
    log = problems.ProblemLog()
    consistency.note_oddities("a.json", found, log)
    return log


def told(log):
    return [(each.kind, each.message, each.action) for each in log.examples]


def ids(rows):
    return [row.id for row in rows]


def test_ids_that_say_what_is_meant_are_left_as_they_are():
    found = content([image(3), image(0)], [annotation(9, 3), annotation(2, 0)])
    assert check_ids(found).counts == {}
    assert (ids(found.images), ids(found.annotations)) == ([3, 0], [9, 2])


def test_of_annotations_of_one_id_the_first_is_kept():
    first, other = annotation(4, area=1.0), annotation(4, area=2.0)
    found = content(annotations=[first, annotation(7), other, annotation(4)])
    log = check_ids(found)
    assert found.annotations[0] is first and ids(found.annotations) == [4, 7]
    message = "annotation id 4 is used 3 times; make it unique"
    action = "the first is kept, the others left out"
    assert told(log) == [("duplicate_id", message, action)]
    assert (log.examples[0].annotation_id, log.examples[0].image_id) == (4, None)


@pytest.mark.parametrize("changes", [{"file_name": "2.png"}, {"height": 5}])
def test_images_of_one_id_that_differ_go_with_their_annotations(changes):
    twice = image(3, **changes)
    found = content(
        [image(3), image(1), twice], [annotation(1), annotation(2, 3), annotation(3, 3)]
    )
    log = check_ids(found)
    assert (ids(found.images), ids(found.annotations)) == ([1], [1])
    ((kind, message, action),) = told(log)
    assert (kind, action) == (
        "duplicate_id",
        "left out with the annotations that use it",
    )
    assert message == "image id 3 is used 2 times; make it unique"
    assert (log.examples[0].annotation_id, log.examples[0].image_id) == (None, 3)


def test_categories_of_one_id_differ_by_their_names_alone():
    same = [category(5, supercategory="a"), category(5, supercategory="b")]
    found = content(annotations=[annotation(1)], categories=same)
    check_ids(found)
    assert (ids(found.categories), ids(found.annotations)) == ([5], [1])
    other = [category(5), category(6), category(5, "disk")]
    found = content(
        annotations=[annotation(1), annotation(2, category_id=6)], categories=other
    )
    check_ids(found)
    assert (ids(found.categories), ids(found.annotations)) == ([6], [2])


def test_annotations_that_name_nothing_are_left_out_each_by_itself():
    """Of two annotations of one id, one may be sound."""
    dangling = annotation(4, image_id=8, category_id=6)
    found = content([image(1), image(2)], [dangling, annotation(7)])
    log = check_ids(found)
    assert ids(found.annotations) == [7]
    assert told(log) == [
        (
            "dangling_id",
            f"{what}; add it or drop the annotation",
            "annotation left out",
        )
        for what in ("image_id 8 is not one of 1, 2", "category_id 6 is not one of 5")
    ]
    assert [each.annotation_id for each in log.examples] == [4, 4]


def test_all_contradictions_are_told_before_ingestion_ends():
    found = content(
        [image(1), image(1, "2.png")], [annotation(4), annotation(4, 8)], [category(5)]
    )
    log = check_ids(found, "repair")
    with pytest.raises(errors.CocoFormatError, match="3 faults") as refused:
        log.raise_errors()
    for place in ("image 1: image id 1", "annotation 4: annotation id 4 is", "id 8"):
        assert place in str(refused.value)


@pytest.mark.parametrize("key", ["file_name", "embedded_in"])
@pytest.mark.parametrize("place", ["../1.png", "/etc/passwd", "s3://bucket/1.png"])
@pytest.mark.parametrize("on_problem", ["strict", "repair", "report"])
def test_a_file_name_that_leads_elsewhere_always_stops(key, place, on_problem):
    found = content([image(1), image(2, **{key: place})])
    log = check_ids(found, on_problem)
    with pytest.raises(
        errors.CocoFormatError, match=f"a.json, image 2: {key} '{place}' .* write it re"
    ):
        log.raise_errors()


def test_roboflows_placeholder_is_told_from_a_class_nobody_drew():
    found = content(
        annotations=[annotation(1, category_id=1)],
        categories=[
            category(0, "facade"),
            category(1, "window"),
            category(2, "door", supercategory="none"),
            category(3, "roof", supercategory="house"),
        ],
    )
    roboflow = "has no annotation; Roboflow puts such a placeholder first"
    assert told(note_oddities(found)) == [
        ("placeholder_category", f"category 0 ('facade') {roboflow}", "left out"),
        ("placeholder_category", f"category 2 ('door') {roboflow}", "left out"),
        ("unused_category", "category 3 ('roof') has no annotation", "left out"),
    ]
    assert len(found.categories) == 4  # the records hold classes that are used


def test_a_category_zero_that_is_used_counts_as_any_other():
    found = content(
        annotations=[annotation(1, category_id=0)],
        categories=[category(0, "dog", supercategory="none")],
    )
    message = "category 'dog' has id 0, which counts as any other"
    assert told(note_oddities(found)) == [("category_id_zero", message, "kept")]


@pytest.mark.parametrize(
    ("used", "free"),
    [([41], 42), ([], 1), ([2**63 - 1], 1), ([1, 2, 4, 2**63 - 1], 3)],
)
def test_annotation_id_zero_gets_a_free_id(used, free):
    found = content(annotations=[annotation(0), *map(annotation, used)])
    log = note_oddities(found)
    assert ids(found.annotations) == [free, *used]
    message = "annotation id 0 counts as unmatched in pycocotools"
    assert told(log) == [("annotation_id_zero", message, f"renumbered to {free}")]
    assert (log.examples[0].image_id, log.examples[0].annotation_id) == (1, 0)


@pytest.mark.parametrize(
    ("values", "wanted"),
    [
        ([], ""),
        ([3, 1], "1, 3"),
        (range(10, 0, -1), "1, 2, 3, 4, 5, 6, 7, 8, 9, 10"),
        ({*range(11)}, "0, 1, 2, 3, 4, 5, 6, 7, 8, 9, ... (11 in all)"),
    ],
)
def test_of_many_ids_the_lowest_ten_are_listed(values, wanted):
    assert consistency.few(values) == wanted
