import json
import os
import pathlib
import pickle
import sys

import numpy as np
import pytest
from typer.testing import CliRunner

from foundation import errors
from model import config as model_config
from model.network import resnet
from model.weights import bundled_weights, tensor_files, weights_file
from pipeline.cli import cli
from pipeline.settings import config
from pipeline.tools import weights_conversion

FIXTURES = pathlib.Path(__file__).parents[2] / "parity" / "fixtures"
DETECTRON2 = FIXTURES / "network" / "detectron2.pkl"
HUGGING_FACE = FIXTURES / "network" / "model.safetensors"
TORCHVISION = FIXTURES / "backbone" / "torchvision.safetensors"


@pytest.fixture
def out(tmp_path):
    return tmp_path / "converted.safetensors"


def test_detectron2_and_hugging_face_convert_to_the_same_weights(tmp_path):
    one, two = tmp_path / "1.safetensors", tmp_path / "2.safetensors"
    made_one = weights_conversion.convert(DETECTRON2, one)
    made_two = weights_conversion.convert(HUGGING_FACE, two)
    assert made_one.header.network == made_two.header.network
    values_one, values_two = weights_file.read(one)[0], weights_file.read(two)[0]
    assert sorted(values_one) == sorted(values_two)
    for name, value in values_one.items():
        np.testing.assert_array_equal(value, values_two[name], err_msg=name)


def test_hugging_faces_class_names_are_taken_from_the_file_beside(out):
    header = weights_conversion.convert(HUGGING_FACE, out).header
    assert header.class_names == tuple(f"thing {index}" for index in range(5))
    assert weights_conversion.convert(DETECTRON2, out).header.class_names is None


def test_class_names_come_from_a_coco_file_in_the_order_of_their_ids(tmp_path, out):
    table = [{"id": 10 - n, "name": name} for n, name in enumerate("abcde")]
    coco = tmp_path / "coco.json"
    coco.write_text(json.dumps({"categories": table}))
    header = weights_conversion.convert(DETECTRON2, out, coco).header
    assert header.class_names == ("e", "d", "c", "b", "a")
    assert header.category_ids == (6, 7, 8, 9, 10)
    coco.write_text(json.dumps({"categories": table[:4]}))
    with pytest.raises(errors.WeightsError, match="4 categories, and the checkpoint 5"):
        weights_conversion.convert(DETECTRON2, out, coco)
    coco.write_text("[]")
    with pytest.raises(errors.WeightsError, match="not a JSON object"):
        weights_conversion.convert(DETECTRON2, out, coco)


@pytest.mark.parametrize("name", ["torchvision", "hugging_face"])
def test_a_resnet_alone_computes_what_its_maker_computes(out, name):
    made = weights_conversion.convert(
        FIXTURES / "backbone" / f"{name}.safetensors", out
    )
    assert made.header.network is None
    assert made.header.backbone == model_config.BackboneConfig(depth=18, stem_width=4)
    assert any(notice.startswith("not needed: ") for notice in made.notices)
    layer = resnet.ResNet.from_settings(made.header.backbone, name="backbone")
    layer.build((None, None, None, 3))
    values, _ = weights_file.read(out)
    for weight in layer.weights:
        weight.assign(values[weight.path])
    with np.load(FIXTURES / "backbone" / "reference.npz") as reference:
        for stage, feature in enumerate(layer(reference["images"]), start=2):
            expected = reference[f"backbone/res{stage}"]
            np.testing.assert_allclose(feature, expected, atol=1e-5, rtol=1e-5)


def test_an_efficientnet_of_pytorch_is_converted_without_pytorch(out):
    settings = model_config.BackboneConfig(name="efficientnet_lite0")
    made = weights_conversion.convert(bundled_weights.path_of(settings), out)
    assert made.header.backbone == settings
    assert "efficientnet_lite0: the backbone only, efficientnet_lite0" in str(made)
    assert any("_fc.weight" in n or "_conv_head" in n for n in made.notices)
    found, _ = weights_file.read(out)
    expected, _ = bundled_weights.read(settings)
    assert sorted(found) == sorted(expected)
    for name, value in expected.items():
        np.testing.assert_array_equal(found[name], value)


def test_the_authors_licence_is_said(out):
    notices = weights_conversion.convert(DETECTRON2, out).notices
    assert any("CC BY-NC 4.0: not for commercial use" in notice for notice in notices)
    assert not any(
        "BY-NC" in n for n in weights_conversion.convert(TORCHVISION, out).notices
    )


def torchvision_with(tmp_path, **changes):
    values, _ = tensor_files.read(TORCHVISION)
    for name, value in changes.items():
        name = name.replace("__", ".")
        if value is None:
            del values[name]
        else:
            values[name] = value
    path = tmp_path / "changed.safetensors"
    tensor_files.write(path, values, {})
    return path


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"layer1__0__se__fc1__weight": np.ones([2, 2])}, r"unknown:\n  layer1\.0\.se"),
        (
            {"layer1__0__bn1__bias": None},
            r"missing:\n  backbone/res2/block_0/norm_1/be",
        ),
        ({"layer1__1__bn2__bias": np.ones(7)}, r"expected \(4,\), got \(7,\)"),
        ({"layer1__2__conv1__weight": np.ones([4, 4, 3, 3])}, r"\(3, 2, 2, 2\) basic"),
        ({"conv1__weight": None}, "backbone/stem/conv/kernel is missing"),
    ],
)
def test_a_checkpoint_with_more_less_or_other_weights_is_refused(
    tmp_path, out, changes, message
):
    with pytest.raises(errors.WeightsError, match=message):
        weights_conversion.convert(torchvision_with(tmp_path, **changes), out)
    assert not out.exists()


def test_a_network_of_another_kind_is_refused_with_some_of_its_names(tmp_path, out):
    path = tmp_path / "bert.safetensors"
    tensor_files.write(path, {"encoder.layer.0.output.dense.weight": np.ones(2)}, {})
    with pytest.raises(errors.WeightsError, match=r"such as encoder\.layer\.0"):
        weights_conversion.convert(path, out)


def test_a_pickle_that_would_run_code_is_refused_and_not_run(tmp_path, out):
    marker, path = tmp_path / "was_run", tmp_path / "x.pkl"

    class Bomb:
        def __reduce__(self):
            return os.system, (f"touch {marker}",)

    path.write_bytes(pickle.dumps({"model": Bomb()}))
    result = CliRunner().invoke(cli.app, ["weights", "convert", str(path), str(out)])
    assert result.exit_code == 2
    assert "posix.system" in result.stderr
    assert not marker.exists()
    assert not out.exists()


@pytest.mark.parametrize("source", [DETECTRON2, HUGGING_FACE, TORCHVISION])
@pytest.mark.parametrize("share", [0.0, 0.5, 0.999])
def test_a_truncated_checkpoint_is_refused(tmp_path, out, source, share):
    content = source.read_bytes()
    path = tmp_path / f"cut{source.suffix}"
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(errors.WeightsError, match="not a whole"):
        weights_conversion.convert(path, out)
    assert not out.exists()


@pytest.mark.parametrize(
    ("source", "out_name", "message"),
    [
        ("none.pkl", "w.safetensors", "none.pkl is not a file"),
        ("x.txt", "w.safetensors", r"expected a file ending in \.pkl, "),
        ("x.pth", "w.safetensors", r"--torch-python /path/to/venv/bin/python"),
        ("x.txt", "w.h5", r"w\.h5 must end in \.safetensors"),
        ("x.txt", "no/w.safetensors", "no is not a folder"),
    ],
)
def test_wrong_files_are_refused(tmp_path, source, out_name, message):
    (tmp_path / "x.txt").write_text("x")
    (tmp_path / "x.pth").write_text("x")
    with pytest.raises(errors.WeightsError, match=message):
        weights_conversion.convert(tmp_path / source, tmp_path / out_name)


TORCH = """
import pickle
class Tensor:
    def __init__(self, value): self.value = value
    def float(self): return self
    def numpy(self): return self.value
def load(path, map_location, weights_only):
    if not weights_only: raise SystemExit("asked to run code")
    import numpy as np
    if path.read_text() == "broken": raise RuntimeError("first line\\nsecond line")
    return {"state_dict": {k: Tensor(v) for k, v in np.load(path.read_text()).items()}}
"""


@pytest.fixture
def torch_path(tmp_path, monkeypatch):
    """A stand-in for PyTorch, which the tests do without; `make parity` has it."""
    (tmp_path / "modules").mkdir()
    (tmp_path / "modules" / "torch.py").write_text(TORCH)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "modules"))
    return tmp_path / "resnet18.pth"


def test_a_pth_is_read_by_the_python_that_was_named(torch_path, tmp_path, out):
    arrays = tmp_path / "arrays.npz"
    np.savez(arrays, **tensor_files.read(TORCHVISION)[0])
    torch_path.write_text(str(arrays))
    weights_conversion.convert(torch_path, out, torch_python=sys.executable)
    direct = tmp_path / "direct.safetensors"
    weights_conversion.convert(TORCHVISION, direct)
    for name, value in weights_file.read(direct)[0].items():
        np.testing.assert_array_equal(weights_file.read(out)[0][name], value)


def test_what_pytorch_cannot_read_is_one_line(torch_path, out):
    torch_path.write_text("broken")
    with pytest.raises(errors.WeightsError, match="PyTorch: first line second line$"):
        weights_conversion.convert(torch_path, out, torch_python=sys.executable)
    with pytest.raises(errors.WeightsError, match="--torch-python no/python cannot"):
        weights_conversion.convert(torch_path, out, torch_python="no/python")


def test_the_command_says_what_was_made_and_how_to_use_it(out):
    arguments = ["weights", "convert", str(DETECTRON2), str(out)]
    result = CliRunner().invoke(cli.app, arguments)
    assert result.exit_code == 0
    assert weights_file.read(out)[1].source == "detectron2"
    text = str(weights_conversion.convert(DETECTRON2, out))
    assert "Mask2Former with a ResNet-50, 571 arrays, 342,498 parameters" in text
    assert f"--set train.init_from={out}" in text


def test_other_weights_train_again_and_unfit_ones_stop_the_run(tmp_path, out):
    from pipeline import node_settings

    network = weights_conversion.convert(DETECTRON2, out).header.network

    def initial(**train):
        settings = config.PipelineConfig(
            model=network, train=model_config.TrainConfig(**train)
        )
        return node_settings.initial_weights(settings)

    with pytest.raises(errors.ConfigError, match="train.init_from names none"):
        initial()
    first = initial(init_from=str(out))
    values, header = weights_file.read(out)
    values["decoder/class_head/bias"] = values["decoder/class_head/bias"] + 1.0
    weights_file.save(out, values, header)
    assert initial(init_from=str(out)) != first
    with pytest.raises(
        errors.WeightsError, match="train.init_from .*nowhere: does not exist"
    ):
        initial(init_from=str(tmp_path / "nowhere"))
    other = config.PipelineConfig(train=model_config.TrainConfig(init_from=str(out)))
    with pytest.raises(errors.WeightsError, match="stem_width: expected 64, got 4"):
        node_settings.initial_weights(other)
