import copy

import numpy as np
import pytest

from components.serving_validator import answer_checks

NAMES = {3: "red thing", 7: "green thing"}


def answer(colour_model, signature="serving_default", requests=(0,)):
    """One red square found in each image, of three places for detections."""
    rle = colour_model.rle(colour_model.box_mask((8, 6), 2, 1, 4, 3))
    batch = len(requests)

    def output(dtype, shape, row):
        return {"dtype": dtype, "shape": [batch, *shape], "values": [row] * batch}

    return answer_checks.Answer(
        signature,
        list(requests),
        {
            "num_detections": output("int32", [], 1),
            "scores": output("float32", [3], [0.75, 0.0, 0.0]),
            "category_ids": output("int64", [3], [3, -1, -1]),
            "class_names": output("string", [3], ["red thing", "", ""]),
            "boxes": output(
                "float32", [3, 4], [[1.0, 2.0, 3.0, 4.0]] + [[0.0] * 4] * 2
            ),
            "masks_rle": output("string", [3], [rle["counts"], "", ""]),
            "image_size": output("int32", [2], [8, 6]),
        },
    )


def faults(*answers):
    return answer_checks.find_faults(answers, NAMES)


def changed(good, name, **changes):
    outputs = copy.deepcopy(good.outputs)
    outputs[name] |= changes
    return answer_checks.Answer(good.signature, good.requests, outputs)


def test_answers_that_hold_the_contract_have_no_faults(colour_model):
    pair = answer(colour_model, requests=(0, 1))
    examples = answer(colour_model, "serving_examples")
    assert faults(answer(colour_model), examples, pair) == []


def test_no_answers_are_a_fault():
    assert faults() == ["the model was not asked anything"]


def test_a_missing_output_is_named(colour_model):
    good = answer(colour_model)
    outputs = {key: value for key, value in good.outputs.items() if key != "boxes"}
    (fault,) = faults(answer_checks.Answer("serving_default", [0], outputs))
    assert fault.startswith("serving_default of 1: outputs are ['category_ids'")


@pytest.mark.parametrize(
    ("name", "changes", "told"),
    [
        ("scores", {"dtype": "float64"}, "scores is float64 [1, 3], wanted float32"),
        ("boxes", {"shape": [1, 3]}, "boxes is float32 [1, 3], wanted float32 with 3"),
        ("scores", {"shape": [2, 3]}, "scores answers 2 of 1 images"),
        ("scores", {"values": [[float("nan"), 0, 0]]}, "a score is not finite"),
        ("scores", {"values": [[1.5, 0, 0]]}, "scores range from 0 to 1.5"),
        ("scores", {"values": [[0.2, 0.4, 0]]}, "not in descending order"),
        ("num_detections", {"values": [4]}, "4 detections in 3 places"),
        ("category_ids", {"values": [[5, -1, -1]]}, "category 5 is named 'red thing'"),
        ("class_names", {"values": [["dog", "", ""]]}, "category 3 is named 'dog'"),
        ("image_size", {"values": [[8, 7]]}, "no run lengths of 8x7"),
        ("masks_rle", {"values": [["", "", ""]]}, "mask 0 is no run lengths"),
        (
            "boxes",
            {"values": [[[0.0, 2.0, 3.0, 4.0]]]},
            "box 0 is [0.0, 2.0, 3.0, 4.0]",
        ),
    ],
)
def test_every_breach_of_the_contract_is_told(colour_model, name, changes, told):
    found = faults(changed(answer(colour_model), name, **changes))
    assert any(told in fault for fault in found), found


def test_two_signatures_that_disagree_are_told(colour_model):
    other = answer(colour_model, "serving_examples")
    other = changed(other, "scores", values=[[0.74, 0.0, 0.0]])
    (fault,) = faults(answer(colour_model), other)
    assert fault == "serving_examples and serving_default disagree about image 0"


def test_rounding_is_no_disagreement(colour_model):
    other = answer(colour_model, "serving_examples")
    other = changed(other, "scores", values=[[0.75 + 1e-6, 0.0, 0.0]])
    assert faults(answer(colour_model), other) == []


def test_different_images_may_have_different_answers(colour_model):
    other = changed(answer(colour_model, requests=(1,)), "scores", values=[[0.1, 0, 0]])
    assert faults(answer(colour_model), other) == []


def test_a_whole_mask_and_an_odd_number_of_runs_are_read(colour_model):
    good = answer(colour_model)
    whole = colour_model.rle(np.ones([8, 6], np.uint8))["counts"]
    full = changed(good, "masks_rle", values=[[whole, "", ""]])
    full = changed(full, "boxes", values=[[[0.0, 0.0, 6.0, 8.0]] + [[0.0] * 4] * 2])
    assert faults(full) == []
