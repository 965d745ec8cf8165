"""Drift, against distances worked out by hand."""

import pytest
import tensorflow as tf
import tfx  # noqa: F401  makes this TFDV importable
from tfx_bsl.coders import example_coder

from components.data_gate import drift, gate_settings
from model.examples import features

from tensorflow_data_validation.statistics import stats_impl  # isort: skip
from tensorflow_data_validation.statistics import stats_options  # isort: skip


def statistics(*images):
    """TFDV's, of images given as (class names, areas, height)."""
    decoder = example_coder.ExamplesToRecordBatchDecoder()
    serialized = []
    for names, areas, height in images:
        example = tf.train.Example()
        feature = example.features.feature
        feature[features.IMAGE_HEIGHT].int64_list.value.append(height)
        feature[features.IMAGE_WIDTH].int64_list.value.append(50)
        if names:
            feature[features.CATEGORY_NAME].bytes_list.value.extend(names)
            feature[features.AREA].float_list.value.extend(areas)
        serialized.append(example.SerializeToString())
    return stats_impl.generate_statistics_in_memory(
        decoder.DecodeBatch(serialized), stats_options.StatsOptions()
    )


def judged(now, before, **settings):
    config = gate_settings.GateConfig.model_validate(settings)
    return {c.name: c for c in drift.drift_checks(now, before, config)}


# Instances: 2 cats and 2 dogs before; 3 cats and an ox now.
BEFORE = statistics(([b"cat", b"cat", b"dog"], [1, 1, 1], 10), ([b"dog"], [9], 20))
NOW = statistics(([b"cat", b"cat", b"cat"], [1, 9, 9], 10), ([b"ox"], [9], 20))


def test_class_drift_is_the_largest_change_of_a_frequency():
    """Cats 2/4 to 3/4, dogs 2/4 to 0, oxen 0 to 1/4: the dogs' half is the largest."""
    found = judged({"train": NOW}, {"train": BEFORE})
    check = found["drift of class frequencies in train"]
    assert check.value == pytest.approx(0.5)
    assert (check.outcome, check.key) == ("warned", "data.gate.class_drift")
    assert "dog" in check.examples[0]


def test_feature_drift_is_the_jensen_shannon_divergence_in_bits():
    """Areas: 3 ones and a nine before, a one and 3 nines now.

    P = (3/4, 1/4), Q = (1/4, 3/4), M = (1/2, 1/2):
    JS = 3/4 log2(3/2) + 1/4 log2(1/2) = 0.1887. Heights and widths are the same.
    """
    found = judged({"eval": NOW}, {"eval": BEFORE})
    check = found["drift of mask areas in eval"]
    assert check.value == pytest.approx(0.18872, abs=1e-3)  # TFDV smooths
    assert (check.outcome, check.key) == ("warned", "data.gate.feature_drift")
    assert found["drift of image heights in eval"].value == pytest.approx(0)
    assert found["drift of image widths in eval"].outcome == "passed"


def test_severity_and_limit_are_those_of_the_configuration():
    stopping = {"class_drift": {"severity": "error", "limit": 0.49}}
    found = judged({"train": NOW}, {"train": BEFORE}, **stopping)
    assert found["drift of class frequencies in train"].outcome == "failed"
    allowing = {"class_drift": {"limit": 0.5}}
    found = judged({"train": NOW}, {"train": BEFORE}, **allowing)
    assert found["drift of class frequencies in train"].outcome == "passed"


def test_equal_data_has_not_drifted():
    found = judged({"train": NOW}, {"train": NOW})
    assert len(found) == 4
    assert {check.value for check in found.values()} == {0}


def test_what_one_side_lacks_is_not_compared():
    empty = statistics(([], [], 10), ([], [], 20))
    assert judged({"train": NOW}, {}) == {}
    assert judged({"train": NOW}, {"eval": BEFORE}) == {}
    for now, before in ((NOW, empty), (empty, NOW), (empty, empty)):
        found = judged({"train": now}, {"train": before})
        assert all(check.value == 0 for check in found.values()), found
