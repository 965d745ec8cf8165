"""Asks a SavedModel for detections the way a foreign server would.

Run as a script in a process of its own, `python -I probe.py MODEL REQUESTS ANSWERS`:
it imports TensorFlow and nothing of this project, so an operation or a file that only
exists where the model was trained is found out here. REQUESTS is a folder of
`<n>.example` files, serialized tf.Examples; ANSWERS is written as JSON.
"""

import json
import pathlib
import sys
import time
from collections.abc import Callable, Mapping

import tensorflow as tf

IMAGE_KEY = "image/encoded"
_TIMED_CALLS = 3


def main(model: str, requests: str, answers: str) -> None:
    """Sends every request to every signature, and one batch of two."""
    began = time.monotonic()
    loaded = tf.saved_model.load(model)
    signatures = loaded.signatures
    load_seconds = time.monotonic() - began

    files = sorted(pathlib.Path(requests).glob("*.example"))
    examples = [file.read_bytes() for file in files]
    images = [_image(example) for example in examples]
    asked = []
    for number, (example, image) in enumerate(zip(examples, images, strict=True)):
        pixels = _decode(image)
        inputs = {
            "serving_default": {"image_bytes": tf.constant([image])},
            "serving_tensor": {"images": pixels[None]},
            "serving_examples": {"examples": tf.constant([example])},
        }
        for name, arguments in inputs.items():
            asked.append(_ask(signatures, name, [number], arguments))
    pair = [0, len(images) - 1]
    batch = {"image_bytes": tf.constant([images[number] for number in pair])}
    asked.append(_ask(signatures, "serving_default", pair, batch))

    repeat = {"image_bytes": tf.constant(images[:1])}
    content = {
        "answers": asked,
        "load_seconds": load_seconds,
        "latency_ms": _latency_ms(signatures["serving_default"], repeat),
        "tensorflow": tf.__version__,
    }
    pathlib.Path(answers).write_text(json.dumps(content), encoding="utf-8")


def _image(example: bytes) -> bytes:
    proto = tf.train.Example.FromString(example)
    return proto.features.feature[IMAGE_KEY].bytes_list.value[0]


def _decode(image: bytes) -> tf.Tensor:
    """Pixels as the model's own decoding has them; stored pictures are upright."""
    if tf.io.is_jpeg(image):
        return tf.io.decode_jpeg(image, channels=3, dct_method="INTEGER_ACCURATE")
    return tf.io.decode_png(image, channels=3)


def _ask(
    signatures: Mapping[str, Callable], name: str, requests: list[int], arguments: dict
) -> dict:
    outputs = signatures[name](**arguments)
    return {
        "signature": name,
        "requests": requests,
        "outputs": {
            key: {
                "dtype": value.dtype.name,
                "shape": value.shape.as_list(),
                "values": _plain(value.numpy().tolist()),
            }
            for key, value in outputs.items()
        },
    }


def _plain(values: object) -> object:
    """JSON knows no bytes."""
    if isinstance(values, list):
        return [_plain(value) for value in values]
    return values.decode("utf-8") if isinstance(values, bytes) else values


def _latency_ms(detect: Callable, arguments: dict) -> float:
    """The fastest of a few calls, after those above have warmed the model up."""
    seconds = []
    for _ in range(_TIMED_CALLS):
        began = time.monotonic()
        outputs = detect(**arguments)
        outputs["scores"].numpy()
        seconds.append(time.monotonic() - began)
    return 1000.0 * min(seconds)


if __name__ == "__main__":
    main(*sys.argv[1:])
