"""The maker of fixtures, as far as that is seen without running PyTorch."""

import ast
import pathlib
import subprocess

import numpy as np
import pytest

ROOT = pathlib.Path(__file__).parents[2]
SCRIPT = ROOT / "tools" / "make_parity_fixtures.py"
FIXTURES = ROOT / "tests" / "parity" / "fixtures"
PYTHON = ROOT / ".venv-parity" / "bin" / "python"


def constant(name):
    """What is assigned to a name in the script: texts or numbers."""
    (found,) = (
        statement.value
        for statement in ast.parse(SCRIPT.read_text()).body
        if isinstance(statement, ast.Assign) and statement.targets[0].id == name
    )
    if isinstance(found, ast.Call):
        return {each.arg: ast.literal_eval(each.value) for each in found.keywords}
    return ast.literal_eval(found)


def test_the_stored_gradients_are_those_of_the_list_each_of_one_weight(recorded):
    stored = [name for name in recorded if name.startswith("gradient/")]
    for ending in constant("_STORED_GRADIENTS"):
        assert sum(name.endswith(ending) for name in stored) == 1, ending
    assert len(stored) == len(constant("_STORED_GRADIENTS"))


def test_the_stored_network_has_the_sizes_of_the_script(recorded):
    sizes = constant("_SMALL")
    *_, queries, classes = recorded["class_logits"].shape
    assert (queries, classes) == (sizes["queries"], sizes["classes"] + 1)
    assert recorded["backbone/res2"].shape[-1] == 4 * sizes["stem_width"]
    features = recorded["pixel_decoder/mask_features"].shape[-1]
    assert features == sizes["mask_channels"]
    assert recorded["pixel_decoder/level_0"].shape[-1] == sizes["pixel_channels"]
    assert recorded["points/matching"].shape[1] == sizes["loss_points"]


def test_the_stored_swin_has_the_gradients_of_its_list_and_no_weights():
    folder = FIXTURES / "swin"
    with np.load(folder / "reference.npz", allow_pickle=False) as file:
        stored = [name for name in file if name.startswith("gradient/")]
        assert file["images"].shape[:3] == constant("_SMALL_SIZE")
        assert file["odd/images"].shape[:3] == constant("_ODD_SIZE")
        left_out = constant("_LEFT_OUT")
        assert not any(name.startswith(left_out) for name in file)
    for ending in constant("_STORED_SWIN_GRADIENTS"):
        assert sum(name.endswith(ending) for name in stored) == 1, ending
    assert len(stored) == len(constant("_STORED_SWIN_GRADIENTS"))
    assert sorted(path.name for path in folder.iterdir()) == [
        "reference.npz",
        "shapes.json",
    ]


def test_no_two_widths_of_one_part_that_could_be_swapped_are_equal():
    sizes = constant("_SMALL")
    parts = (
        ("pixel_channels", "encoder_feedforward", "mask_channels", "channels"),
        ("channels", "feedforward", "mask_channels", "queries", "classes", "heads"),
    )
    for names in parts:
        assert len({sizes[name] for name in names}) == len(names)


@pytest.mark.skipif(not PYTHON.exists(), reason="`make parity` makes .venv-parity")
def test_it_says_how_it_is_called():
    done = subprocess.run(
        [PYTHON, SCRIPT, "--help"], capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    for option in ("--out", "--height", "--width", "--batch", "--seed", "--backbone"):
        assert option in done.stdout
