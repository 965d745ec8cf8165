import json
import shutil

import pytest
from google.protobuf import json_format
from tensorflow_model_analysis.proto import config_pb2
from tfx.types import standard_artifacts

from components.coco_evaluator import executor
from foundation import errors

STRIPE = (3, 8, 0, 8, 32)  # red, over the full width: the model draws it exactly
SECOND = (22, 20, 0, 8, 32)


def eval_config(min_mask_ap, min_change=-0.01):
    metric = config_pb2.MetricConfig(class_name="MaskAP")
    metric.threshold.value_threshold.lower_bound.value = min_mask_ap
    change = metric.threshold.change_threshold
    change.absolute.value = min_change
    change.direction = config_pb2.HIGHER_IS_BETTER
    spec = config_pb2.MetricsSpec(metrics=[metric])
    return json_format.MessageToJson(config_pb2.EvalConfig(metrics_specs=[spec]))


@pytest.fixture
def artifacts(tmp_path, exported, colour_model):
    """Input and output artifacts: a perfect model for what the eval split holds."""

    def make(kind, name, artifact_id):
        artifact = kind()
        artifact.uri = str(tmp_path / name)
        artifact.id = artifact_id
        return artifact

    examples = make(standard_artifacts.Examples, "examples", 1)
    examples.split_names = '["train", "eval"]'
    both = colour_model.picture([STRIPE, SECOND])
    records = [
        colour_model.example(4, both, [STRIPE, SECOND]),
        colour_model.example(6, colour_model.picture([STRIPE]), [STRIPE]),
        colour_model.example(8, colour_model.picture([], (16, 48)), []),
    ]
    colour_model.write_split(tmp_path / "examples" / "Split-eval", records)
    model = make(standard_artifacts.Model, "model", 2)
    shutil.copytree(exported, tmp_path / "model" / "Format-Serving")
    return {
        "inputs": {"examples": [examples], "model": [model]},
        "outputs": {
            "evaluation": [make(standard_artifacts.ModelEvaluation, "evaluation", 3)],
            "blessing": [make(standard_artifacts.ModelBlessing, "blessing", 4)],
        },
        "make": make,
    }


def run(artifacts, min_mask_ap=0.5, **changes):
    properties = {
        "eval_config": eval_config(min_mask_ap),
        "batch_size": 2,
        "example_split": "eval",
        "code_digest": "x",
    }
    executor.Executor().Do(
        artifacts["inputs"], artifacts["outputs"], properties | changes
    )
    return artifacts["outputs"]["blessing"][0], artifacts["outputs"]["evaluation"][0]


def add_baseline(artifacts, colour_model, tmp_path, **options):
    baseline = artifacts["make"](standard_artifacts.Model, "baseline", 9)
    colour_model.save(tmp_path / "baseline" / "Format-Serving", **options)
    artifacts["inputs"]["baseline_model"] = [baseline]


def test_a_model_that_sees_everything_is_blessed(artifacts, tmp_path):
    blessing, evaluation = run(artifacts)
    assert blessing.get_int_custom_property("blessed") == 1
    assert (tmp_path / "blessing" / "BLESSED").exists()
    assert blessing.get_int_custom_property("current_model_id") == 2
    assert "mask AP 1.0000" in blessing.get_string_custom_property("reason")
    mask_ap = evaluation.get_float_custom_property("mask_ap")
    assert mask_ap == pytest.approx(1.0)
    assert evaluation.get_float_custom_property("num_images") == 3.0
    content = json.loads((tmp_path / "evaluation" / "metrics.json").read_text())
    assert content["candidate"]["num_objects"] == 3


def test_a_model_below_the_floor_is_refused_with_the_reason(
    artifacts, tmp_path, colour_model
):
    shutil.rmtree(tmp_path / "model" / "Format-Serving")
    red_blind = ((128, 128, 128), colour_model.GREEN, colour_model.BLUE)
    colour_model.save(tmp_path / "model" / "Format-Serving", colours=red_blind)
    blessing, evaluation = run(artifacts, min_mask_ap=0.6)
    assert blessing.get_int_custom_property("blessed") == 0
    assert (tmp_path / "blessing" / "NOT_BLESSED").exists()
    assert not (tmp_path / "blessing" / "BLESSED").exists()
    assert "below the floor 0.6" in blessing.get_string_custom_property("reason")
    # One of two classes is always found, the other never.
    assert evaluation.get_float_custom_property("mask_ap") == pytest.approx(0.5)


def test_a_candidate_worse_than_the_baseline_is_refused(
    artifacts, tmp_path, colour_model
):
    shutil.rmtree(tmp_path / "model" / "Format-Serving")
    blind = (colour_model.RED, colour_model.GREEN, (128, 128, 128))  # to blue
    colour_model.save(tmp_path / "model" / "Format-Serving", colours=blind)
    add_baseline(artifacts, colour_model, tmp_path)
    blessing, _ = run(artifacts, min_mask_ap=0.4)
    assert blessing.get_int_custom_property("blessed") == 0
    reason = blessing.get_string_custom_property("reason")
    assert "changes by -0.5000 against the baseline's 1.0000" in reason
    assert blessing.get_int_custom_property("baseline_model_id") == 9


def test_a_candidate_as_good_as_the_baseline_is_blessed(
    artifacts, tmp_path, colour_model
):
    add_baseline(artifacts, colour_model, tmp_path)
    blessing, _ = run(artifacts)
    assert blessing.get_int_custom_property("blessed") == 1
    content = json.loads((tmp_path / "evaluation" / "metrics.json").read_text())
    assert content["baseline"]["mask_ap"] == pytest.approx(1.0)


def test_a_baseline_that_cannot_be_loaded_is_said_in_the_reason(artifacts, tmp_path):
    baseline = artifacts["make"](standard_artifacts.Model, "baseline", 9)
    (tmp_path / "baseline" / "Format-Serving").mkdir(parents=True)
    artifacts["inputs"]["baseline_model"] = [baseline]
    blessing, _ = run(artifacts)
    assert blessing.get_int_custom_property("blessed") == 1
    reason = blessing.get_string_custom_property("reason")
    assert "baseline could not be scored" in reason and "no saved_model.pb" in reason


def test_a_missing_split_is_not_blessed(artifacts, tmp_path):
    blessing, evaluation = run(artifacts, min_mask_ap=0.0, example_split="test")
    assert blessing.get_int_custom_property("blessed") == 0
    assert "split is missing" in blessing.get_string_custom_property("reason")
    assert not evaluation.has_custom_property("mask_ap")


def test_a_split_without_objects_is_not_blessed(artifacts, tmp_path, colour_model):
    black = colour_model.example(1, colour_model.picture([]), [])
    colour_model.write_split(tmp_path / "examples" / "Split-eval", [black])
    blessing, _ = run(artifacts, min_mask_ap=0.0)
    assert blessing.get_int_custom_property("blessed") == 0
    assert "no objects" in blessing.get_string_custom_property("reason")


def test_a_candidate_that_cannot_be_loaded_stops_the_run(artifacts, tmp_path):
    shutil.rmtree(tmp_path / "model" / "Format-Serving")
    (tmp_path / "model" / "Format-Serving").mkdir()
    with pytest.raises(errors.ModelFileError, match="no saved_model.pb"):
        run(artifacts)
