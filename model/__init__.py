"""Mask2Former, from stored examples and settings to an exported SavedModel.

`training` takes records and a transform graph; out come a SavedModel, checkpoints and
curves. TFX's Trainer calls it through `run_fn`, its Tuner through `tune_fn`. `config`
and the sections hold every setting of the network, its training, its images and its
export. The rooms below are free of TFX and of the components, so a network can be
built, trained and asked with TensorFlow alone.
"""

__all__ = [
    "config",
    "image_sections",
    "run_fn",
    "train_sections",
    "training",
    "tune_fn",
    "tune_section",
]
