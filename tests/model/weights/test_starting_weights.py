import pathlib

import numpy as np
import pytest

from foundation import errors
from model import config
from model.examples import categories
from model.network import mask2former
from model.weights import starting_weights, weights_architecture, weights_file

SETTINGS = config.ModelConfig(
    backbone=config.BackboneConfig(depth=18, stem_width=4),
    pixel_decoder=config.PixelDecoderConfig(
        channels=8, num_encoder_layers=1, num_heads=2, feedforward_channels=8,
        norm_groups=4,
    ),
    decoder=config.DecoderConfig(
        channels=8, num_queries=3, num_layers=1, num_heads=2, feedforward_channels=8,
        mask_channels=8,
    ),
)  # fmt: skip
KERNEL, BIAS = "decoder/class_head/kernel", "decoder/class_head/bias"


def classes(**ids):
    return [categories.Category(number, name, 0) for name, number in ids.items()]


def values_of(network) -> dict[str, np.ndarray]:
    return {weights_architecture.own_name(w): w.numpy() for w in network.weights}


def saved(path: pathlib.Path, values, **changes) -> pathlib.Path:
    header = weights_file.Header("detectron2", "abc", SETTINGS.backbone, SETTINGS)
    fields = {**vars(header), **changes}
    weights_file.save(path, values, weights_file.Header(**fields))
    return path


@pytest.fixture(scope="module")
def trained():
    """Weights of a network of four classes, all different from a new one's."""
    values = values_of(mask2former.build(SETTINGS, 4, seed=1))
    random = np.random.default_rng(2)
    return {
        name: random.uniform(0.5, 1.5, value.shape).astype(np.float32)
        for name, value in values.items()
    }


@pytest.fixture
def network():
    """A network of three classes."""
    return mask2former.build(SETTINGS, 3, seed=5)


def test_every_weight_is_set_and_the_head_by_class_name(tmp_path, trained, network):
    fresh = values_of(network)
    names = ("Cat", "dog", "cow", "bird")
    path = saved(tmp_path / "w", trained, class_names=names)
    wanted = classes(bird=3, zebra=7, cat=9)
    notices = starting_weights.load_into(network, path, wanted)
    loaded = values_of(network)
    for name, value in loaded.items():
        if name not in (KERNEL, BIAS):
            np.testing.assert_array_equal(value, trained[name], err_msg=name)
    theirs, ours = [3, 0, 4], [0, 2, 3]  # bird, cat, no object
    np.testing.assert_array_equal(loaded[KERNEL][:, ours], trained[KERNEL][:, theirs])
    np.testing.assert_array_equal(loaded[BIAS][ours], trained[BIAS][theirs])
    np.testing.assert_array_equal(loaded[KERNEL][:, 1], fresh[KERNEL][:, 1])
    assert notices[1] == (
        "2 of 3 classes start from its 4, by name: bird, cat; new, from random: zebra"
    )


def test_the_head_is_matched_by_id_when_there_are_no_names(tmp_path, trained, network):
    path = saved(tmp_path / "w", trained, category_ids=(2, 4, 6, 8))
    starting_weights.load_into(network, path, classes(x=4, y=5, z=8))
    loaded = values_of(network)
    np.testing.assert_array_equal(loaded[BIAS][[0, 2, 3]], trained[BIAS][[1, 3, 4]])


def test_an_equal_id_with_another_name_is_another_class(tmp_path, trained, network):
    names, ids = ("a", "b", "c", "d"), (1, 2, 3, 4)
    path = saved(tmp_path / "w", trained, class_names=names, category_ids=ids)
    fresh = values_of(network)
    notices = starting_weights.load_into(network, path, classes(nut=1, bolt=2, screw=3))
    assert "0 of 3 classes" in notices[1]
    loaded = values_of(network)
    np.testing.assert_array_equal(loaded[KERNEL][:, :3], fresh[KERNEL][:, :3])
    np.testing.assert_array_equal(loaded[KERNEL][:, 3], trained[KERNEL][:, 4])


def test_a_head_without_names_is_new_when_the_number_of_classes_differs(
    tmp_path, trained, network
):
    fresh = values_of(network)
    notices = starting_weights.load_into(
        network, saved(tmp_path / "w", trained), classes(a=1, b=2, c=3)
    )
    assert notices[1].endswith("new, from random: a, b, c")
    loaded = values_of(network)[BIAS]
    np.testing.assert_array_equal(loaded[:3], fresh[BIAS][:3])
    assert loaded[3] == trained[BIAS][4]  # what is no object is none of any classes


def test_a_head_without_names_is_taken_when_the_number_of_classes_is_equal(
    tmp_path, trained
):
    network = mask2former.build(SETTINGS, 4)
    notices = starting_weights.load_into(
        network, saved(tmp_path / "w", trained), classes(a=1, b=2, c=3, d=4)
    )
    assert "its 4 classes have no names" in notices[1]
    np.testing.assert_array_equal(values_of(network)[KERNEL], trained[KERNEL])


def test_a_backbone_leaves_the_rest_as_it_was(tmp_path, trained, network):
    values = {k: v for k, v in trained.items() if k.startswith("backbone/")}
    fresh = values_of(network)
    notices = starting_weights.load_into(
        network, saved(tmp_path / "w", values, network=None), classes(a=1, b=2, c=3)
    )
    assert len(notices) == 1
    for name, value in values_of(network).items():
        expected = values if name in values else fresh
        np.testing.assert_array_equal(value, expected[name], err_msg=name)


def changed(section: str, **values) -> config.ModelConfig:
    part = getattr(SETTINGS, section).model_copy(update=values)
    return SETTINGS.model_copy(update={section: part})


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (changed("decoder", num_layers=2), r"decoder\.num_layers: expected 2, got 1"),
        (changed("decoder", num_heads=4), r"decoder\.num_heads: expected 4, got 2"),
        (changed("pixel_decoder", norm_groups=2), r"norm_groups: expected 2, got 4"),
        (changed("backbone", depth=34), r"backbone\.depth: expected 34, got 18"),
        (changed("backbone", norm="group"), r"expected group.*set frozen_batch or ba"),
    ],
)
def test_another_architecture_is_refused_with_what_differs(
    tmp_path, trained, settings, message
):
    path = saved(tmp_path / "w", trained)
    with pytest.raises(errors.WeightsError, match=message):
        starting_weights.check(path, settings)
    network = mask2former.build(settings, 4)
    before = values_of(network)
    with pytest.raises(errors.WeightsError, match=message):
        starting_weights.load_into(network, path, classes(a=1, b=2, c=3, d=4))
    for name, value in values_of(network).items():
        np.testing.assert_array_equal(value, before[name])


@pytest.mark.parametrize("norm", ["frozen_batch", "batch"])
def test_both_norms_with_statistics_take_the_weights(tmp_path, trained, norm):
    network = mask2former.build(changed("backbone", norm=norm), 4)
    path = saved(tmp_path / "w", trained)
    starting_weights.load_into(network, path, classes(a=1, b=2, c=3, d=4))
    name = "backbone/res5/block_1/norm_2/moving_variance"
    np.testing.assert_array_equal(values_of(network)[name], trained[name])


def test_missing_left_over_and_misshapen_weights_are_listed(tmp_path, trained, network):
    values = {**trained, "decoder/surplus": np.ones(2), BIAS: np.ones(9, np.float32)}
    del values["pixel_decoder/level_embedding"]
    path = saved(tmp_path / "w", values)
    network = mask2former.build(SETTINGS, 4)
    with pytest.raises(errors.WeightsError) as caught:
        starting_weights.load_into(network, path, classes(a=1, b=2, c=3, d=4))
    message = str(caught.value)
    assert "1 missing:\n  pixel_decoder/level_embedding" in message
    assert "1 left over:\n  decoder/surplus" in message
    assert f"{BIAS}: expected (5,), got (9,)" in message


def test_a_swin_may_start_from_random_weights_for_it_has_no_statistics():
    swin = config.ModelConfig(backbone=config.BackboneConfig(name="swin_tiny"))
    starting_weights.check(None, swin)
    with pytest.raises(errors.ConfigError, match="frozen_batch keeps the statistics"):
        starting_weights.check(None, config.ModelConfig())
    with pytest.raises(errors.ConfigError, match="swin_tiny"):  # none come along
        starting_weights.check("imagenet", swin)
