from components.data_gate import content_checks, gate_settings, measurements


def split(images=10, empty=0, instances_per_image=None, fullest=(), **classes):
    return {
        "images": images,
        "images_without_objects": empty,
        "instances_per_image": instances_per_image or {"1": images},
        "most_instances": [
            {"instances": number, "image_id": number, "file": f"{number}.png"}
            for number in fullest
        ],
        "classes": [
            {"category_id": n, "name": name, "objects": count}
            for n, (name, count) in enumerate(classes.items())
        ],
    }


def judged(num_queries=20, settings=None, **splits):
    """Checks by the key of their settings, those of several splits in a list."""
    report = measurements.IngestionReport(splits, {}, {})
    config = gate_settings.GateConfig.model_validate(settings or {})
    found = {}
    for check in content_checks.content_checks(report, config, num_queries):
        found.setdefault(check.key.removeprefix("data.gate."), []).append(check)
    return found


def test_images_with_more_instances_than_queries_are_counted_over_all_splits():
    train = split(instances_per_image={"3": 5, "20": 2, "21": 1}, fullest=(21, 20))
    held_out = split(instances_per_image={"100": 4, "0": 1}, fullest=(100, 100))
    (check,) = judged(train=train, eval=held_out)["images_over_queries"]
    assert (check.value, check.outcome) == (1 + 4, "warned")
    assert check.examples[0].startswith("100.png of eval shows 100 instances")
    assert check.examples[2].startswith("21.png of train shows 21 instances")
    (check,) = judged(100, train=train, eval=held_out)["images_over_queries"]
    assert (check.value, check.outcome, check.examples) == (0, "passed", ())


def test_imbalance_is_the_ratio_of_the_most_to_the_least_frequent_training_class():
    train = split(cat=3000, dog=40, ox=2)
    (check,) = judged(train=train, eval=split(cat=1))["class_imbalance"]
    assert (check.value, check.outcome) == (1500, "warned")
    assert check.examples == ("'cat' has 3000 training instances, 'ox' has 2",)
    limit = {"class_imbalance": {"limit": 1500}}
    (check,) = judged(settings=limit, train=train)["class_imbalance"]
    assert check.outcome == "passed"


def test_classes_with_too_few_training_instances_are_named_the_rarest_first():
    train = split(cat=10, dog=9, ox=2)
    (check,) = judged(train=train, eval=split(cat=1))["rare_classes"]
    assert (check.value, check.outcome) == (2, "warned")
    assert check.examples == (
        "'ox' has 2 training instances, wanted 10",
        "'dog' has 9 training instances, wanted 10",
    )
    fewer = {"rare_classes": {"min_instances": 3}}
    (check,) = judged(settings=fewer, train=train)["rare_classes"]
    assert check.value == 1


def test_the_share_of_empty_images_is_judged_in_each_split():
    found = judged(train=split(images=4, empty=2), eval=split(images=4, empty=3))
    shares = [(c.name, c.value, c.outcome) for c in found["empty_images"]]
    assert shares == [
        ("share of empty images in train", 0.5, "passed"),
        ("share of empty images in eval", 0.75, "warned"),
    ]
