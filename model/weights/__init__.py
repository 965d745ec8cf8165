"""Weights of other makers as a start for training.

In come files of Detectron2, Hugging Face, torchvision, timm, Keras and others,
read as data and never executed; out come arrays by our names and a safetensors file
that says what it holds. `weights_rules` says which layer of theirs is which of ours,
`weights_architecture` which network a checkpoint belongs to, `starting_weights` what
training starts from.
"""

__all__ = [
    "starting_weights",
    "swin_rules",
    "tensor_files",
    "torch_files",
    "weights_architecture",
    "weights_file",
    "weights_keras",
    "weights_names",
    "weights_pickle",
    "weights_rules",
]
