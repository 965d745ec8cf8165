"""Reads the annotations of a layout, whatever their format."""

from components.coco_example_gen import ingest_settings, problems
from components.coco_example_gen.read import coco_json, labelme, panoptic, sources


def read(
    layout: sources.Layout,
    settings: ingest_settings.IngestSettings,
    log: problems.ProblemLog,
) -> dict[str, coco_json.CocoInstances]:
    """Reads every split of a layout.

    Returns:
        By name of split: `train`, and `eval` when the layout has it.

    Raises:
        CocoFormatError: a file is not of its format.
    """
    if layout.train.format == "labelme":
        return labelme.read(layout, settings, log)
    max_bytes = settings.max_annotation_bytes
    contents = {}
    for split, source in layout.sources().items():
        if source.format == "panoptic":
            contents[split] = panoptic.read(layout, source, log, max_bytes)
        else:
            file = layout.name_of(source.annotation_file)
            contents[split] = coco_json.read(
                source.annotation_file, log, file, max_bytes
            )
    return contents
