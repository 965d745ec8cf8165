"""The names that are TFX's own, where TFX has a public constant for them."""

import pytest
from tfx.components.evaluator import constants
from tfx.types import standard_artifacts
from tfx.types import standard_component_specs as specs
from tfx.utils import path_utils

from components import wire


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (wire.EXAMPLES, specs.EXAMPLES_KEY),
        (wire.INPUT_BASE, specs.INPUT_BASE_KEY),
        (wire.INPUT_CONFIG, specs.INPUT_CONFIG_KEY),
        (wire.STATISTICS, specs.STATISTICS_KEY),
        (wire.ANOMALIES, specs.ANOMALIES_KEY),
        (wire.TRANSFORM_GRAPH, specs.TRANSFORM_GRAPH_KEY),
        (wire.MODEL, specs.MODEL_KEY),
        (wire.MODEL_RUN, specs.MODEL_RUN_KEY),
        (wire.CUSTOM_CONFIG, specs.CUSTOM_CONFIG_KEY),
        (wire.BASELINE_MODEL, specs.BASELINE_MODEL_KEY),
        (wire.EVALUATION, specs.EVALUATION_KEY),
        (wire.BLESSING, specs.BLESSING_KEY),
        (wire.BLESSED, constants.ARTIFACT_PROPERTY_BLESSED_KEY),
        (wire.CURRENT_MODEL_ID, constants.ARTIFACT_PROPERTY_CURRENT_MODEL_ID_KEY),
        (wire.MODEL_BLESSING, specs.MODEL_BLESSING_KEY),
        (wire.INFRA_BLESSING, specs.INFRA_BLESSING_KEY),
        (wire.PUSHED_MODEL, specs.PUSHED_MODEL_KEY),
    ],
)
def test_tfx_uses_the_same_name(ours, theirs):
    assert ours == theirs


def test_tfx_keeps_a_served_model_in_the_same_folder():
    assert path_utils.serving_model_path("m") == f"m/{wire.SERVING_FOLDER}"


def test_the_span_is_a_property_that_tfx_gives_examples():
    assert wire.SPAN in standard_artifacts.Examples.PROPERTIES
