import pytest

from components.coco_example_gen import problems
from components.coco_example_gen.read import class_names, coco_json
from foundation import errors

FILES = {"train": "a/train.json", "eval": "a/val.json"}


def content(categories, used=()):
    """Categories by id, and an annotation of each category_id in `used`."""
    return coco_json.CocoInstances(
        images=[coco_json.CocoImage(id=1, file_name="1.png", height=4, width=4)],
        annotations=[
            coco_json.CocoAnnotation(id=number, image_id=1, category_id=used_id)
            for number, used_id in enumerate(used, 1)
        ],
        categories=[
            coco_json.CocoCategory(id=key, name=name) for key, name in categories
        ],
    )


def agree(train, held_out=None, on_problem="report"):
    log = problems.ProblemLog(on_problem)
    contents = {"train": train} | ({"eval": held_out} if held_out else {})
    class_names.check_agreement(FILES, contents, log)
    return log


def by_name(**contents):
    """What every category_id counts as, and what the log was told."""
    log = problems.ProblemLog()
    found = class_names.by_name(FILES, contents, log)
    told = [(each.kind, each.file, each.message, each.action) for each in log.examples]
    return {key: (c.id, c.name) for key, c in found.items()}, told


def test_a_category_with_two_meanings_is_an_error():
    log = agree(content([(5, "square")]), content([(5, "disk")]), "repair")
    with pytest.raises(errors.CocoFormatError) as refused:
        log.raise_errors()
    assert str(refused.value).splitlines()[1].strip() == (
        "a/val.json: category 5 is 'disk' here and 'square' in a/train.json; give both "
        "files the same categories"
    )


def test_only_what_contradicts_training_is_left_out_of_the_eval_split():
    train = content([(5, "square"), (6, "disk")], used=[5, 6])
    held_out = content([(5, "disk"), (6, "disk"), (7, "ring")], used=[5, 6, 7, 5])
    log = agree(train, held_out)
    assert log.counts == {"category_conflict": 1}
    assert log.examples[0].action == "its annotations are left out"
    assert [c.id for c in held_out.categories] == [6, 7]
    assert [a.category_id for a in held_out.annotations] == [6, 7]
    assert [a.category_id for a in train.annotations] == [5, 6]


def test_of_very_long_names_of_a_category_both_are_told():
    log = agree(content([(5, "s" * 100_000)]), content([(5, "d" * 100_000)]))
    message = log.examples[0].message
    assert "'ddd" in message and "'sss" in message
    assert len(message) < 1000


@pytest.mark.parametrize("name", ["big cat", " big  cat ", "big\tcat", "big\u00a0cat"])
def test_blanks_around_and_inside_of_a_name_make_no_other_class(name):
    train, held_out = content([(5, "big cat")], [5]), content([(9, name)], [9])
    assert agree(train, content([(5, name)])).counts == {}
    found, _ = by_name(train=train, eval=held_out)
    assert found == {5: (5, "big cat"), 9: (5, "big cat")}


@pytest.mark.parametrize("name", ["Big cat", "bigcat", "big cats"])
def test_names_that_differ_otherwise_are_other_classes(name):
    train, held_out = content([(5, "big cat")], [5]), content([(9, name)], [9])
    assert agree(train, content([(5, name)])).counts == {"category_conflict": 1}
    found, told = by_name(train=train, eval=held_out)
    assert (found, told) == ({5: (5, "big cat"), 9: (9, name)}, [])


def test_files_without_an_eval_split_agree():
    train = content([(5, "square"), (5, "disk")], used=[5])
    assert agree(train).counts == {}
    assert len(train.categories) == 2


def test_a_class_of_another_id_in_each_file_is_one_and_that_is_told():
    found, told = by_name(
        train=content([(5, "square")], used=[5]),
        eval=content([(9, "square")], used=[9, 9]),
    )
    assert found == {5: (5, "square"), 9: (5, "square")}
    message = "category 9 ('square') has another id elsewhere"
    assert told == [("category_id_changed", "a/val.json", message, "counts as 5")]


def test_the_class_goes_by_the_lowest_id_that_has_annotations():
    categories = [(0, "facade"), (1, "window"), (3, "facade"), (4, "facade")]
    found, told = by_name(train=content(categories, used=[4, 3, 1]))
    assert {key: kept for key, (kept, _) in found.items()} == {0: 3, 1: 1, 3: 3, 4: 3}
    assert told == [
        (
            "duplicate_category_name",
            "a/train.json",
            "categories 0, 3, 4 are all named 'facade'",
            "all count as category 3",
        )
    ]


def test_a_class_without_annotations_goes_by_its_lowest_id():
    found, told = by_name(train=content([(7, "a"), (2, "a")]))
    assert found == {2: (2, "a"), 7: (2, "a")}
    assert [action for *_, action in told] == ["all count as category 2"]


def test_annotations_of_the_other_split_decide_as_well():
    found, told = by_name(
        train=content([(2, "a"), (7, "a")]), eval=content([(7, "a")], used=[7])
    )
    assert found == {2: (7, "a"), 7: (7, "a")}
    assert [(kind, file, action) for kind, file, _, action in told] == [
        ("duplicate_category_name", "a/train.json", "all count as category 7")
    ]
