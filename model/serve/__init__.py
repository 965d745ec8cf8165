"""The model as it is served, and how it is asked.

`export` takes a trained network, the transform graph and the classes, and writes a
SavedModel with three signatures, in plain TensorFlow: bytes of images in, COCO
detections out. `saved_model` loads one and asks it, `model_folder` finds the newest
without TensorFlow. What an answer is made of is decided in `postprocess` and nowhere
else.
"""

__all__ = ["export", "model_folder", "saved_model"]
