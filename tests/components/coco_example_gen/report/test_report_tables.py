from components.coco_example_gen import problems
from components.coco_example_gen.report import report_tables
from components.coco_example_gen.write import figures


def split(*images):
    """`summary.json` of a split; images given as lists of (category_id, area)."""
    made = figures.Figures()
    for image_id, found in enumerate(images):
        instances = [figures.Instance(*each) for each in found]
        made.count(image_id, f"{image_id}.png", 100, 100, instances)
    every = [category_id for found in images for category_id, _ in found]
    return {
        "images": len(images),
        "images_without_objects": sum(not found for found in images),
        "objects": len(every),
        "crowds": 0,
        **figures.summarize(made),
        "classes": [
            {
                "category_id": category_id,
                "name": f"class {category_id}",
                "objects": every.count(category_id),
                **figures.summarize_class(made, category_id),
            }
            for category_id in sorted(set(every))
        ],
    }


def tables(log=None, **splits):
    source = {"root": "/data", "layout": "coco", "images": {"train": 3}}
    summary = {
        "root": "/data",
        "layout": "coco",
        "on_problem": "repair",
        "sources": [source],
        "splits": splits,
    }
    return report_tables.tables(summary, log or problems.ProblemLog())


TRAIN = split([(7, 5), (7, 2000), (9, 9500)], [(9, 100)], [])
EVAL = split([(7, 5)] * 4)


def test_classes_of_both_splits_are_added_up_the_most_frequent_first():
    found = tables(train=TRAIN, eval=EVAL)
    rows = [
        (c["name"], c["instances"], c["images"], c["sizes"]) for c in found["classes"]
    ]
    assert rows == [
        ("class 7", [2, 4], 2, [5, 1, 0]),
        ("class 9", [2, 0], 2, [1, 0, 1]),
    ]
    assert found["class_scales"] == [2, 4]
    assert found["facts"][2:] == [("instances", 8), ("classes", 2), ("problems", 0)]


def test_histograms_have_the_bins_between_the_first_and_the_last_filled():
    per_image, sizes, areas = tables(train=TRAIN, eval=EVAL)["histograms"]
    rows = [(row["label"], row["counts"]) for row in per_image["rows"]]
    assert rows == [("0", [1, 0]), ("1", [1, 0]), ("2", [0, 0]), ("3 to 4", [1, 1])]
    assert per_image["scales"] == [3, 1]
    assert [row["label"] for row in sizes["rows"]] == ["below 128"]
    assert areas["rows"][0] == {"label": "below 0.1 %", "counts": [1, 4]}
    assert areas["rows"][-1] == {"label": "95 % or more", "counts": [1, 0]}
    assert [sum(row["counts"]) for row in areas["rows"]].count(1) == 3


def test_problems_are_told_the_worst_first_with_what_was_done():
    log = problems.ProblemLog("report")
    for kind, action in (
        ("exif_ignored", "kept"),
        ("area_recomputed", "recomputed"),
        ("dangling_id", "left out"),
        ("area_recomputed", "recomputed"),
    ):
        log.add(problems.Problem(kind, "a.json", "message", action, 3))
    found = tables(log, train=TRAIN)["problems"]
    rows = [(row["kind"], row["severity"], row["count"]) for row in found]
    assert rows == [
        ("dangling_id", "error", 1),
        ("area_recomputed", "repaired", 2),
        ("exif_ignored", "noted", 1),
    ]
    assert found[1]["actions"] == ["recomputed"]
    assert found[1]["examples"] == ["a.json, image 3: message"] * 2


def test_long_texts_are_cut_and_many_classes_counted():
    many = split([(number, 5) for number in range(250)])
    many["classes"][0]["name"] = "n" * 400 + "m" * 400
    found = tables(train=many)
    assert len(found["classes"]) == 200
    assert found["classes_hidden"] == 50
    assert found["classes"][0]["name"] == "n" * 149 + "..." + "m" * 148


def test_a_source_without_images_in_a_split_counts_none():
    assert tables(train=TRAIN, eval=EVAL)["sources"][0]["images"] == [3, 0]
