"""Checks of what the annotations say: crowding, balance, empty images."""

from collections.abc import Iterator

from components import wire
from components.data_gate import checks, gate_settings, measurements


def content_checks(
    report: measurements.IngestionReport,
    settings: gate_settings.GateConfig,
    num_queries: int,
) -> list[checks.Check]:
    """Judges the counts of the ingestion report.

    Args:
        num_queries: how many instances the model can answer with at most.
    """
    return [
        _images_over_queries(report, settings.images_over_queries, num_queries),
        _class_imbalance(report, settings.class_imbalance),
        _rare_classes(report, settings.rare_classes),
        *_empty_images(report, settings.empty_images),
    ]


def _images_over_queries(
    report: measurements.IngestionReport,
    settings: gate_settings.Check,
    num_queries: int,
) -> checks.Check:
    count = sum(
        images
        for content in report.splits.values()
        for instances, images in content["instances_per_image"].items()
        if int(instances) > num_queries
    )
    fullest = sorted(
        (
            (image["instances"], split, image["file"])
            for split, content in report.splits.items()
            for image in content["most_instances"]
            if image["instances"] > num_queries
        ),
        key=lambda found: (-found[0], *found[1:]),
    )
    return checks.make(
        "images over queries",
        "images_over_queries",
        settings,
        count,
        [
            f"{file} of {split} shows {instances} instances, the model answers with "
            f"{num_queries} at most"
            for instances, split, file in fullest
        ],
        "raise model.decoder.num_queries",
    )


def _class_imbalance(
    report: measurements.IngestionReport, settings: gate_settings.Check
) -> checks.Check:
    classes = sorted(_training_classes(report))
    ratio, examples = 1.0, []
    if classes:
        (fewest, rare), (most, frequent) = classes[0], classes[-1]
        ratio = most / fewest
        examples = [
            f"{frequent!r} has {most} training instances, {rare!r} has {fewest}"
        ]
    return checks.make(
        "class imbalance",
        "class_imbalance",
        settings,
        ratio,
        examples,
        "add images of the rare classes",
        is_count=False,
    )


def _rare_classes(
    report: measurements.IngestionReport, settings: gate_settings.InstancesCheck
) -> checks.Check:
    rare = [
        (count, name)
        for count, name in sorted(_training_classes(report))
        if count < settings.min_instances
    ]
    return checks.make(
        "rare classes",
        "rare_classes",
        settings,
        len(rare),
        [
            f"{name!r} has {count} training instances, wanted {settings.min_instances}"
            for count, name in rare
        ],
        "add images of these classes",
    )


def _empty_images(
    report: measurements.IngestionReport, settings: gate_settings.Check
) -> Iterator[checks.Check]:
    for split, content in report.splits.items():
        images, empty = content["images"], content["images_without_objects"]
        yield checks.make(
            f"share of empty images in {split}",
            "empty_images",
            settings,
            empty / images if images else 0.0,
            [f"{empty} of {images} images show no instance"],
            "annotate them or leave some of them out",
            is_count=False,
        )


def _training_classes(
    report: measurements.IngestionReport,
) -> Iterator[tuple[int, str]]:
    """Instances and name of every class that training sees."""
    for found in report.splits.get(wire.TRAIN_SPLIT, {}).get("classes", ()):
        yield found["objects"], found["name"]
