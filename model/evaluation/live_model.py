"""A network that is being trained, asked as its SavedModel will be."""

from collections.abc import Sequence

import tensorflow as tf

from model.serve import export, saved_model


class LiveModel:
    """Answers with the network's weights as they are when it is asked.

    The graph is that of the signature `serving_default`, so the same weights give the
    answers of the exported model.
    """

    def __init__(self, module: export.ServingModule):
        self.categories = list(module.categories)
        self._module = module  # its functions hold it weakly

    def predict_encoded(self, images: Sequence[bytes]) -> list[saved_model.Detections]:
        """Detects in one batch of JPEG or PNG files (8 bits, gray or RGB)."""
        if not images:
            return []
        encoded = tf.constant(list(images), tf.string)
        return saved_model.split_batch(self._module.detect_encoded(encoded))
