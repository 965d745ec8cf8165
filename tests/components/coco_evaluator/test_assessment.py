import pytest

from components.coco_evaluator import assessment, thresholds
from foundation import errors

STRIPE = (3, 8, 0, 8, 32)  # red, over the full width: the model draws it exactly
SECOND = (22, 20, 0, 8, 32)  # blue
WANTED = thresholds.Thresholds(min_mask_ap=0.4, min_change=-0.01)
GRAY = (128, 128, 128)


@pytest.fixture(scope="module")
def files(colour_model, tmp_path_factory):
    """A red object and a blue one."""
    picture = colour_model.picture([STRIPE, SECOND])
    stored = colour_model.example(4, picture, [STRIPE, SECOND])
    folder = tmp_path_factory.mktemp("split")
    return [str(colour_model.write_split(folder, [stored]))]


@pytest.fixture(scope="module")
def half_blind(colour_model, tmp_path_factory):
    """A model that finds red and never blue: AP 1 and 0, in the mean 0.5."""
    colours = (colour_model.RED, colour_model.GREEN, GRAY)
    return colour_model.save(tmp_path_factory.mktemp("blind") / "1", colours)


def test_candidate_and_baseline_are_scored_apart(files, exported, half_blind):
    worse = assessment.assess(half_blind, exported, files, WANTED, 1)
    assert worse.metrics.mask_ap == pytest.approx(0.5)
    assert worse.baseline.mask_ap == pytest.approx(1.0)
    assert not worse.verdict.blessed  # lost 0.5, may lose 0.01


def test_without_a_baseline_only_the_floor_counts(files, half_blind):
    found = assessment.assess(half_blind, None, files, WANTED, 1)
    assert found.metrics.mask_ap == pytest.approx(0.5)
    assert found.baseline is None
    assert found.verdict.blessed and "no baseline" in found.verdict.reason


def test_a_broken_baseline_is_noted_but_a_broken_candidate_is_an_error(
    files, exported, tmp_path
):
    found = assessment.assess(exported, tmp_path, files, WANTED, 1)
    assert found.verdict.blessed and found.baseline is None
    assert "baseline could not be scored" in found.verdict.reason
    with pytest.raises(errors.ModelFileError, match="no saved_model.pb"):
        assessment.assess(tmp_path, exported, files, WANTED, 1)


def test_without_files_nothing_is_loaded_and_nothing_blessed(tmp_path):
    found = assessment.assess(tmp_path / "nowhere", None, [], WANTED, 1)
    assert not found.verdict.blessed
    assert found.metrics is None and found.baseline is None
    assert "no files" in found.verdict.reason
