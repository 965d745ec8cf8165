import pathlib

import pytest

from foundation import errors
from pipeline.settings import config, config_file


@pytest.mark.parametrize("name", config_file.presets())
def test_every_preset_loads_and_says_hardware_time_and_score(name):
    config_file.load(name)
    text = (pathlib.Path(config.__file__).parents[1] / "configs" / name).read_text()
    header = text.split("\nname:")[0].lower()
    for word in ("hardware", "time", "score"):
        assert word in header, f"{name} does not state its {word}"


def test_coco_preset_is_the_papers_recipe():
    settings = config_file.load("coco_r50.yaml")
    assert settings.model.decoder.num_layers == 9
    assert settings.model.pixel_decoder.num_encoder_layers == 6
    assert settings.model.decoder.num_queries == 100
    assert settings.train.steps * settings.train.batch_size == pytest.approx(
        50 * 118_000, rel=0.001
    )
    assert settings.train.loss.num_points == 112 * 112
    assert settings.train.learning_rate == 1e-4
    assert settings.train.clip_norm == 0.01


def test_override_is_read_as_yaml_and_beats_the_file(tmp_path):
    path = tmp_path / "a.yaml"
    path.write_text("train: {steps: 7, batch_size: 2}\n")
    settings = config_file.load(
        str(path), ["train.steps=9", "evaluate.min_class_ap={dog: 0.5}"]
    )
    assert settings.train.steps == 9
    assert settings.train.batch_size == 2
    assert settings.evaluate.min_class_ap == {"dog": 0.5}


@pytest.mark.parametrize(
    ("override", "wanted"),
    [
        ("train.stepz=4", "--set train.stepz: unknown key. Known here: steps, epoch"),
        ("train.batch_size=0", "--set train.batch_size: got 0"),
        ("train.batch_size=many", "train.batch_size: got 'many'"),
        ("train.micro_batches=3", "batch_size 16 is not divisible by micro_batches 3"),
        ("model.decoder.num_heads=7", "  model: decoder.channels 256 is not divisible"),
        ("model.pixel_decoder.norm_groups=48", "norm_groups 48"),
        ("data.pad_multiple=20", "not a multiple of 32"),
        ("data.long_side=100", "short_side 800 is larger than long_side 100"),
        ("train.augment.min_scale=3", "min_scale 3.0 is larger than max_scale 2.0"),
        ("serve.model_name=..", "serve.model_name: got"),
        ("name={a: 1}", "name: got {'a': 1}"),
        ("name=My Model", "name: got 'My Model'"),
        ("train", "wanted section.key=value"),
        ("name.x=1", "'name' is not a section"),
        ("train.steps=[", "--set 'train.steps=['"),
        ("train.steps=0", "--set train.steps: got 0: steps is a whole number from 1"),
        ("train.steps=all", "--set train.steps: got 'all': steps is a whole"),
    ],
)
def test_an_impossible_value_is_refused_with_key_and_value(tmp_path, override, wanted):
    path = tmp_path / "a.yaml"
    path.write_text("name: a\n")
    with pytest.raises(errors.ConfigError) as caught:
        config_file.load(str(path), [override])
    assert wanted in str(caught.value)


def test_batch_statistics_of_parts_of_the_batch_are_refused_with_the_ways_out(tmp_path):
    path = tmp_path / "a.yaml"
    path.write_text("model: {backbone: {norm: batch}}\n")
    assert config_file.load(str(path), []).model.backbone.norm == "batch"
    with pytest.raises(errors.ConfigError) as caught:
        config_file.load(str(path), ["train.micro_batches=2"])
    for said in (
        "train.micro_batches 2",
        "to group",
        "to frozen_batch with train.init",
    ):
        assert said in str(caught.value)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("- 1\n- 2\n", "holds a list"),
        ("a: [", "not readable as YAML"),
        ("train: {steps: 1}\ntrain: {seed: 1}\n", "stands here twice"),
        ("name: !!python/object/apply:os.system ['true']", "not readable as YAML"),
    ],
)
def test_a_file_that_is_no_configuration_is_refused(tmp_path, text, wanted):
    path = tmp_path / "a.yaml"
    path.write_text(text)
    with pytest.raises(errors.ConfigError, match=wanted):
        config_file.load(str(path))


def test_a_missing_file_names_the_presets():
    with pytest.raises(errors.ConfigError, match="coco_r50.yaml, custom.yaml"):
        config_file.load("nowhere.yaml")


def test_equal_configurations_have_equal_json_and_nothing_can_be_changed():
    first, second = config.PipelineConfig(), config.PipelineConfig()
    assert first.to_json() == second.to_json()
    with pytest.raises(ValueError, match="frozen"):
        first.name = "other"


def test_epochs_over_a_preset_with_steps_say_how_to_leave_the_steps_out():
    with pytest.raises(errors.ConfigError, match="set train.steps=null"):
        config_file.load("small.yaml", ["train.epochs=3"])
    overrides = ["train.epochs=3", "train.steps=null"]
    settings = config_file.load("small.yaml", overrides)
    assert (settings.train.steps, settings.train.epochs) == (None, 3)


def test_a_search_that_cannot_be_made_names_its_key():
    search = "{train.learning_rate: {min: -1, max: 1}}"
    with pytest.raises(errors.ConfigError, match=r"search.train.learning_rate: got -1"):
        config_file.load("demo.yaml", [f"tune.search={search}"])
    unknown = "{train.learning_rate: {minimum: 1, max: 2}}"
    with pytest.raises(errors.ConfigError, match=r"unknown key. Known here: min, max"):
        config_file.load("demo.yaml", [f"tune.search={unknown}"])
