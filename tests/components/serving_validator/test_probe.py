import ast
import json
import pathlib
import sys

import pytest
import tensorflow as tf

from components.serving_validator import probe

WHOLE_ROW = [(3, 8, 0, 8, 32)]  # a red bar of 8 x 32 px


def test_every_signature_is_asked_about_every_image_and_one_about_a_pair(
    tmp_path, exported, colour_model
):
    for number, shapes in enumerate([WHOLE_ROW, [], WHOLE_ROW]):
        size = (32, 32 + 16 * number)
        example = colour_model.example(number, colour_model.picture(shapes, size), [])
        (tmp_path / f"{number:04d}.example").write_bytes(example)
    probe.main(str(exported), str(tmp_path), str(tmp_path / "answers.json"))
    content = json.loads((tmp_path / "answers.json").read_text(encoding="utf-8"))

    asked = [(each["signature"], each["requests"]) for each in content["answers"]]
    names = ("serving_default", "serving_tensor", "serving_examples")
    singles = [(name, [number]) for number in range(3) for name in names]
    assert asked == [*singles, ("serving_default", [0, 2])]
    answers = [each["outputs"] for each in content["answers"]]
    # Only the red mask has pixels; it is rated for each of the three classes.
    counts = [each["num_detections"]["values"] for each in answers]
    assert counts == [[3]] * 3 + [[0]] * 3 + [[3]] * 3 + [[3, 3]]
    pair = answers[-1]
    assert pair["image_size"] == {
        "dtype": "int32",
        "shape": [2, 2],
        "values": [[32, 32], [32, 64]],
    }
    assert pair["scores"]["values"][1][0] > 0.9 > 0.01 > pair["scores"]["values"][1][1]
    assert pair["class_names"]["values"][1][0] == "red thing"
    assert content["tensorflow"] == tf.__version__


def test_a_missing_signature_is_an_error(tmp_path, colour_model):
    example = colour_model.example(1, colour_model.picture([]), [])
    (tmp_path / "0000.example").write_bytes(example)
    tf.saved_model.save(tf.Module(), str(tmp_path / "model"))
    with pytest.raises(KeyError, match="serving_default"):
        probe.main(str(tmp_path / "model"), str(tmp_path), str(tmp_path / "answers"))
    assert not (tmp_path / "answers").exists()


def test_it_imports_tensorflow_and_nothing_of_this_project():
    tree = ast.parse(pathlib.Path(probe.__file__).read_text(encoding="utf-8"))
    imported = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            imported |= {alias.name.split(".")[0] for alias in node.names}
        if isinstance(node, ast.ImportFrom):
            imported.add(str(node.module).split(".")[0])
    assert imported - set(sys.stdlib_module_names) == {"tensorflow"}
