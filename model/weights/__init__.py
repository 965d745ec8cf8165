"""Weights of other makers as a start for training.

In come files of Detectron2, Hugging Face, torchvision, timm or Keras, read as data and
never executed; out come arrays by our names and a safetensors file that says what it
holds (`starting_weights`). `weights_rules` says which layer of theirs is which of ours,
`weights_architecture` which network a checkpoint belongs to.
"""

__all__ = [
    "starting_weights",
    "tensor_files",
    "weights_architecture",
    "weights_keras",
    "weights_names",
    "weights_pickle",
    "weights_rules",
]
