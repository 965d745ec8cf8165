"""Every layout and format of annotations, read as one COCO dataset.

`layouts` takes a folder and says how it is laid out; `annotations` takes layouts and
gives images with their instances, classes merged by name and ids unambiguous.
`pictures` decides which bytes of an image file are stored. Faults go to the `problems`
log and not to the terminal. COCO, panoptic and LabelMe each have a reader, chosen by
`readers`.
"""

__all__ = [
    "annotations",
    "labelme_pictures",
    "layouts",
    "panoptic_masks",
    "picture_formats",
    "pictures",
]
