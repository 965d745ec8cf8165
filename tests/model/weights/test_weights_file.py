import hashlib
import json
import tracemalloc

import numpy as np
import pytest

from foundation import errors
from model import config
from model.weights import tensor_files, weights_file

SETTINGS = config.ModelConfig(backbone=config.BackboneConfig(depth=18, stem_width=4))


def test_header_and_values_survive_the_file(tmp_path):
    path = tmp_path / "w"
    header = weights_file.Header(
        "detectron2", "abc", SETTINGS.backbone, SETTINGS, ("a", "b"), (1, 9)
    )
    weights_file.save(path, {"b": np.ones(2), "a": np.zeros([1, 2])}, header)
    values, found = weights_file.read(path)
    assert found == header
    np.testing.assert_array_equal(values["b"], [1, 1])
    assert list(values) == ["a", "b"]


def test_a_file_from_before_there_were_other_backbones_holds_a_resnet(tmp_path):
    path = tmp_path / "w"
    header = weights_file.Header("torchvision", "abc", SETTINGS.backbone, None)
    weights_file.save(path, {"a": np.ones(1)}, header)
    values, texts = tensor_files.read(path)
    backbone = json.loads(texts["backbone"])
    del backbone["name"]
    tensor_files.write(path, values, {**texts, "backbone": json.dumps(backbone)})
    assert weights_file.read(path)[1] == header


def test_a_file_of_another_program_is_refused_with_the_command_to_run(tmp_path):
    path = tmp_path / "model.safetensors"
    tensor_files.write(path, {"conv1.weight": np.ones([1])}, {"format": "pt"})
    with pytest.raises(errors.WeightsError, match="m2f weights convert .*model"):
        weights_file.read(path)
    with pytest.raises(errors.WeightsError, match="nowhere is not a file"):
        weights_file.digest(tmp_path / "nowhere")


def test_the_digest_is_that_of_the_file_which_is_not_held_in_memory(tmp_path):
    path = tmp_path / "large.safetensors"
    size = (100 << 20) + 1
    with path.open("wb") as file:
        file.write(b"weights")
        file.truncate(size)  # the rest is zeros
    tracemalloc.start()
    found = weights_file.digest(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert found == hashlib.sha256(b"weights" + bytes(size - 7)).hexdigest()
    assert peak < size / 2
