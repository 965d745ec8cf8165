import json
import shutil

import numpy as np
import pytest

from foundation import errors
from model import config
from model.examples import categories
from model.network import mask2former
from model.serve import export
from model.train import starting_point
from model.weights import weights_architecture, weights_file

KERNEL, BIAS = "decoder/class_head/kernel", "decoder/class_head/bias"


def classes(**ids):
    return [categories.Category(number, name, 1) for name, number in ids.items()]


def values_of(network):
    return {weights_architecture.own_name(w): w.numpy() for w in network.weights}


@pytest.fixture(scope="module")
def earlier(tiny_model_config):
    """A network of three classes, every weight another than those of a new one."""
    network = mask2former.build(tiny_model_config, 3, seed=1)
    random = np.random.default_rng(2)
    for weight in network.weights:
        weight.assign(random.uniform(0.5, 1.5, weight.shape))
    return network


@pytest.fixture(scope="module")
def serving(earlier, colour_model, tmp_path_factory):
    """Folder of its versions."""
    folder = tmp_path_factory.mktemp("serving") / "fruit"
    module = export.ServingModule(
        earlier,
        colour_model.PixelTransform(colour_model.DATA),
        classes(apple=1, pear=2, plum=3),
        3,
    )
    told = {"model": earlier.model_config.model_dump(mode="json")}
    export.save(module, folder / "8", {"config": json.dumps(told)})
    return folder


def test_rows_of_known_classes_go_on_and_others_begin_anew(serving, earlier):
    network = mask2former.build(earlier.model_config, 4, seed=5)
    fresh, theirs = values_of(network), values_of(earlier)
    wanted = classes(plum=1, kiwi=2, Apple=5, fig=6)
    told = starting_point.load_into(network, str(serving), wanted)
    loaded = values_of(network)
    for name in set(loaded) - {KERNEL, BIAS}:
        np.testing.assert_array_equal(loaded[name], theirs[name], err_msg=name)
    # plum, Apple, no object: by name, whatever their ids are
    for name in (KERNEL, BIAS):
        found, old = loaded[name], theirs[name]
        np.testing.assert_array_equal(found[..., [0, 2, 4]], old[..., [2, 0, 3]])
        np.testing.assert_array_equal(found[..., [1, 3]], fresh[name][..., [1, 3]])
    assert told[0] == (
        f"the whole network starts from {serving / '8'} "
        "(a pushed model, the newest version)"
    )
    assert told[1] == (
        "2 of 4 classes start from its 3, by name: plum, Apple; new, from random: "
        "kiwi, fig"
    )


def test_another_architecture_is_refused_with_the_settings_that_differ(
    serving, earlier
):
    decoder = earlier.model_config.decoder.model_copy(
        update={"num_layers": 2, "num_queries": 7}
    )
    settings = earlier.model_config.model_copy(update={"decoder": decoder})
    with pytest.raises(errors.WeightsError) as caught:
        starting_point.check(str(serving), settings)
    message = str(caught.value)
    assert f"train.init_from {serving}" in message
    assert "model.decoder.num_layers: expected 2, got 1" in message
    assert "model.decoder.num_queries: expected 7, got 3" in message
    starting_point.check(str(serving), earlier.model_config)


def test_a_norm_without_statistics_goes_on_as_that_alone(serving, earlier):
    backbone = earlier.model_config.backbone.model_copy(update={"norm": "batch"})
    settings = earlier.model_config.model_copy(update={"backbone": backbone})
    with pytest.raises(
        errors.WeightsError, match=r"expected batch, got group norm \(set group\)"
    ):
        starting_point.check(str(serving), settings)


def test_a_folder_stands_for_the_version_that_is_newest_now(
    serving, earlier, colour_model, tmp_path
):
    folder = shutil.copytree(serving, tmp_path / "fruit")
    backbone = earlier.model_config.backbone
    assert starting_point.resolved(str(folder)) == str(folder / "8")
    first = starting_point.digest(str(folder), backbone)
    shutil.copytree(folder / "8", folder / "11")
    assert starting_point.resolved(str(folder)) == str(folder / "11")
    assert starting_point.digest(str(folder), backbone) == first  # the same content
    (folder / "11" / "assets.extra" / "info.json").write_text("{}")
    assert starting_point.digest(str(folder), backbone) != first


def test_files_and_weights_that_come_along_stay_what_they_were(tmp_path):
    backbone = config.BackboneConfig(name="efficientnet_lite0")
    for kept in (None, "imagenet"):
        assert starting_point.resolved(kept) == kept
    settings = config.ModelConfig(backbone=backbone)
    starting_point.check("imagenet", settings)
    assert starting_point.digest("imagenet", backbone).startswith("57934424")
    path = tmp_path / "w.safetensors"
    header = weights_file.Header("timm", "abc", backbone, None)
    weights_file.save(path, {"backbone/x": np.ones(2, np.float32)}, header)
    assert starting_point.resolved(str(path)) == str(path)
    starting_point.check(str(path), settings)
    assert len(starting_point.digest(str(path), backbone)) == 64


def test_what_is_not_there_is_refused_by_all(tmp_path, earlier):
    place = str(tmp_path / "nowhere")
    for ask in (
        lambda: starting_point.resolved(place),
        lambda: starting_point.check(place, earlier.model_config),
        lambda: starting_point.digest(place, earlier.model_config.backbone),
        lambda: starting_point.load_into(earlier, place, classes(a=1)),
    ):
        with pytest.raises(errors.UserError, match="train.init_from .*does not exist"):
            ask()
