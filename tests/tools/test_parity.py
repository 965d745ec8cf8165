"""How deviations are measured and judged; what they are: tests/parity."""

import subprocess
import sys

import numpy as np
import pytest

from model.weights import weights_names, weights_rules


@pytest.fixture(scope="module")
def parity(tools):
    return tools["parity"]


def detections(tools, *instances):
    """Of pairs of score, class index and mask."""
    scores, class_index, masks = zip(*instances, strict=True)
    return tools["our_model"].Detections(
        np.float32(scores), np.int32(class_index), np.array(masks, bool)
    )


def one(rows):
    (found,) = rows
    return found


@pytest.mark.parametrize(
    ("deviation", "passed"),
    [(0.0, True), (0.1, True), (0.1001, False), (np.inf, False), (np.nan, False)],
)
def test_a_deviation_passes_up_to_its_tolerance_and_never_as_nan(
    parity, deviation, passed
):
    assert parity.Row("a", "absolute", deviation, 0.1).passed is passed


def test_features_deviate_by_a_share_of_the_largest_value(parity):
    reference = {"backbone/res2": np.array([1.0, -20.0]), "other": np.array([1.0])}
    ours = {"backbone/res2": np.array([3.0, -21.0]), "other": np.array([9.0])}
    row = one(parity.feature_rows(reference, ours))
    assert (row.name, row.deviation) == ("backbone/res2", 2 / 20)


def test_every_prediction_has_its_own_row_and_its_worst_logit(parity):
    expected = {name: np.zeros([2, 3]) for name in ("class_logits", "mask_logits")}
    ours = {name: value.copy() for name, value in expected.items()}
    ours["mask_logits"][1] = [0.0, -0.5, 0.25]
    rows = {row.name: row for row in parity.prediction_rows(expected, ours)}
    assert {name for name, row in rows.items() if not row.passed} == {"mask_logits/1"}
    assert rows["mask_logits/1"].deviation == 0.5
    assert set(rows) == {f"{name}/{n}" for name in expected for n in (0, 1)}


def test_a_prediction_that_is_missing_is_no_agreement(parity):
    expected = {name: np.zeros([2, 3]) for name in ("class_logits", "mask_logits")}
    fewer = {name: value[:1] for name, value in expected.items()}
    with pytest.raises(ValueError, match="argument 2 is longer"):
        list(parity.prediction_rows(expected, fewer))


def test_bits_of_a_mask_may_differ_where_the_logit_decides_nothing(parity):
    reference = {"blocked/0": np.array([True, False, True])}
    ours = {
        "blocked/0": np.array([True, True, False]),
        "blocked_logits/0": np.array([-9.0, -1e-6, 2e-5]),
    }
    row = one(parity.attention_rows(reference, ours))
    assert row.measure == "|logit| of 2 differing bits"
    assert row.deviation == 2e-5 and row.passed
    ours["blocked_logits/0"][2] = 0.5
    assert not one(parity.attention_rows(reference, ours)).passed


def losses(**changes):
    values = {
        "costs": np.array([1.0, np.nan]),
        "query_index": np.array([[0, 2], [1, -1]]),
        **{f"loss/{term}": np.array([2.0]) for term in ("class", "mask", "dice")},
        "loss/total": np.array(6.0),
    }
    return values | changes


def test_costs_of_padding_are_not_compared(parity):
    ours = losses(costs=np.array([1.0, 7.0]))
    assert all(row.passed for row in parity.loss_rows(losses(), ours))


@pytest.mark.parametrize(
    ("name", "value", "row", "deviation"),
    [
        ("costs", np.array([1.5, 0.0]), "matching costs", 0.5),
        ("query_index", np.array([[2, 0], [1, -1]]), "matched pairs", 2),
        ("loss/mask", np.array([1.5]), "loss/mask", 0.25),
        ("loss/total", np.array(12.0), "loss/total", 1.0),
    ],
)
def test_every_part_of_the_loss_is_judged_by_itself(
    parity, name, value, row, deviation
):
    rows = list(parity.loss_rows(losses(), losses(**{name: value})))
    assert [(each.name, each.deviation) for each in rows if not each.passed] == [
        (row, deviation)
    ]


def test_gradients_are_judged_whole_by_the_median_and_by_the_worst(parity):
    bias = "gradient/class_predictor.bias"
    decoder = "gradient/model.transformer_module.decoder.layernorm"
    reference = {
        bias: np.array([3.0, 4.0]),  # norm 5
        f"{decoder}.weight": np.array([12.0]),
        f"{decoder}.bias": np.array([84.0]),
    }
    plain = {key.removeprefix("gradient/"): value for key, value in reference.items()}
    mapped = weights_names.translate(plain, weights_rules.HUGGING_FACE).weights
    ours = {
        f"gradient/{name}": value + (value.tolist() == [12.0])  # one is 1 too large
        for name, value in mapped.items()
    }
    whole, median, worst = parity.gradient_rows(reference, ours)
    assert whole.name == "gradients of 3 weights"
    assert whole.deviation == pytest.approx(1 / 85)  # of sqrt(25 + 144 + 7056)
    assert median.deviation == 0 and median.measure.endswith("; 1 beyond")
    assert worst.deviation == pytest.approx(1 / 12)
    assert "norm" in worst.name and not worst.passed


def test_detections_are_paired_whatever_their_order(parity, tools):
    left, right = np.eye(2, dtype=bool)[:, np.newaxis]
    expected = detections(tools, (0.9, 0, left), (0.9, 0, right), (0.5, 1, left))
    found = detections(tools, (0.5, 1, left), (0.8, 0, right), (0.9, 0, left))
    score_gap, mask_gap = parity.paired_gaps(expected, found)
    assert score_gap == pytest.approx(0.1) and mask_gap == 0


def test_a_mask_deviates_by_its_share_of_pixels(parity, tools):
    mask = np.zeros([4, 4], bool)
    other = mask.copy()
    other[0, :3] = True
    gaps = parity.paired_gaps(
        detections(tools, (0.5, 0, mask)), detections(tools, (0.5, 0, other))
    )
    assert gaps == (0, 3 / 16)


@pytest.mark.parametrize("found", [[(0.5, 1)], [(0.5, 0), (0.4, 0)]])
def test_a_detection_without_a_partner_is_no_small_deviation(parity, tools, found):
    mask = np.ones([2, 2], bool)
    gaps = parity.paired_gaps(
        detections(tools, (0.5, 0, mask)),
        detections(tools, *((score, kind, mask) for score, kind in found)),
    )
    assert gaps == (np.inf, np.inf)


def test_one_detection_is_the_partner_of_one_other_only(parity, tools):
    mask = np.ones([2, 2], bool)
    twice = detections(tools, (0.9, 0, mask), (0.9, 0, mask))
    apart = detections(tools, (0.9, 0, mask), (0.1, 0, mask))
    assert parity.paired_gaps(twice, apart)[0] == pytest.approx(0.8)


def test_the_masks_of_the_reference_are_unpacked(parity, recorded):
    found = parity.reference_detections(recorded, 1)
    assert found.masks.shape == (len(found.scores), 384, 384)
    packed = recorded["detections/1/masks"]
    assert found.masks.sum() == sum(int(byte).bit_count() for byte in packed.ravel())


def test_the_table_shows_what_fails_in_another_style(parity):
    rows = [parity.Row("a", "m", 2e-3, 1e-3), parity.Row("b", "m", 5e-4, 1e-3)]
    view = parity._table("480x480", rows)
    assert [row.style for row in view.rows] == ["bold red", ""]
    assert list(view.columns[1].cells) == ["2.0e-03", "5.0e-04"]
    assert list(view.columns[3].cells) == ["1e-03", "1e-03"]


def test_it_says_how_it_is_called(parity):
    command = [sys.executable, parity.__file__, "--help"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    for option in ("--reference-python", "--sizes", "--seed"):
        assert option in done.stdout


def test_a_reference_that_cannot_be_made_ends_the_comparison(parity, monkeypatch):
    arguments = ["parity.py", "--reference-python", "false", "--sizes", "32x32"]
    monkeypatch.setattr(sys, "argv", arguments)
    with pytest.raises(subprocess.CalledProcessError) as failed:
        parity.main()
    _, script, *options = failed.value.cmd
    assert script.endswith("tools/make_parity_fixtures.py")
    _, place, *others = options
    assert "32x32" in place
    assert {"--height=32", "--width=32", "--seed=1"} <= set(others)
