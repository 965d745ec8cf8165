"""The network: the paper's figure as files (docs/model.md shows it).

In come normalised images float32 [B, H, W, 3] and `config.ModelConfig`; out come class
logits and mask logits of every decoder block. `mask2former.build` makes the network;
`backbones`, `efficientnet_lite`, `swin` and `normalization` are open because weights of
other makers have to know their parts. No loss, no data and no file is known here.
"""

__all__ = ["backbones", "efficientnet_lite", "mask2former", "normalization", "swin"]
