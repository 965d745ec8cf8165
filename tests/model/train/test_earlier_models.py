import json
import os
import pathlib
import shutil

import numpy as np
import pytest
import small_batches
import tensorflow as tf

from foundation import errors
from model import config
from model.examples import categories
from model.network import mask2former
from model.serve import export
from model.train import earlier_models, trainer, unfinished
from model.weights import weights_architecture

CLASSES = [categories.Category(4, "nut", 2), categories.Category(9, "bolt", 1)]


def values_of(network):
    return {weights_architecture.own_name(w): w.numpy() for w in network.weights}


def assert_equal(found, expected):
    assert set(found) == set(expected)
    for name, value in expected.items():
        np.testing.assert_array_equal(found[name], value, err_msg=name)


def described(settings: config.ModelConfig, **train):
    whole = config.TrainerConfig.model_validate({"model": settings, "train": train})
    classes = [(each.category_id, each.name) for each in CLASSES]
    return unfinished.description(whole, ["a"], "graph/3", {}, classes)


def pushed(folder: pathlib.Path, network, colour_model) -> pathlib.Path:
    """As the Trainer exports it."""
    transform = colour_model.PixelTransform(colour_model.DATA)
    module = export.ServingModule(network, transform, CLASSES, 3)
    told = {"model": network.model_config.model_dump(mode="json")}
    export.save(module, folder, {"config": json.dumps(told)})
    return folder


def trained(folder: pathlib.Path, network, steps=4, ask=None, **changes):
    batches = tf.data.Dataset.from_tensors(small_batches.batch()).repeat()
    recipe = small_batches.settings(steps=steps, **changes)
    description = described(network.model_config)
    trainer.train(network, lambda _: batches, recipe, folder, None, description, ask)
    return folder


@pytest.fixture(scope="module")
def network(tiny_model_config):
    return mask2former.build(tiny_model_config, 2, seed=3)


@pytest.fixture(scope="module")
def version(network, colour_model, tmp_path_factory):
    """`serving/nuts/12`, beside an older version that is another model."""
    folder = tmp_path_factory.mktemp("serving") / "nuts"
    pushed(folder / "12", network, colour_model)
    shutil.copytree(folder / "12", folder / "3")
    return folder / "12"


def test_the_newest_version_is_read_by_the_names_of_its_weights(version, network):
    for place in (version, version.parent):
        found = earlier_models.find(str(place))
        assert found.place == version
        values, header = earlier_models.read(found)
        assert_equal(values, values_of(network))
        assert header.network == network.model_config
        assert header.class_names == ("nut", "bolt")
        assert header.category_ids == (4, 9)


@pytest.mark.parametrize("name", ["Format-Serving", "model"])
def test_a_trainers_artifact_and_a_folder_of_m2f_train_hold_a_model(
    version, tmp_path, name
):
    shutil.copytree(version, tmp_path / "5" / name)
    found = earlier_models.find(str(tmp_path / "5"))
    assert found.place == tmp_path / "5" / name


def test_the_digest_tells_other_content_from_a_copy(version, tmp_path):
    copy = shutil.copytree(version, tmp_path / "7")
    first = earlier_models.digest(earlier_models.find(str(version)))
    assert earlier_models.digest(earlier_models.find(str(copy))) == first
    (copy / "assets.extra" / "categories.json").write_text("[]")
    assert earlier_models.digest(earlier_models.find(str(copy))) != first


def test_the_newest_checkpoint_is_read_with_what_it_says_of_itself(
    tiny_model_config, tmp_path
):
    model = mask2former.build(tiny_model_config, 2, seed=3)
    trained(tmp_path, model)
    for place in (tmp_path, tmp_path / "checkpoints"):
        found = earlier_models.find(str(place))
        assert found.place == tmp_path / "checkpoints" / "ckpt-4"
        values, header = earlier_models.read(found)
        assert_equal(values, values_of(model))
        assert header.network == tiny_model_config
        assert header.class_names == ("nut", "bolt")
    older = earlier_models.find(str(tmp_path / "checkpoints" / "ckpt-2"))
    assert (older.step, earlier_models.find(str(tmp_path)).step) == (2, 4)
    assert earlier_models.digest(older) != earlier_models.digest(found)


def test_averages_of_the_step_judged_best_are_taken(tiny_model_config, tmp_path):
    model = mask2former.build(tiny_model_config, 2, seed=3)
    scores = [0.5, 0.25]

    class Asked:
        def __call__(self):
            from model.evaluation import coco_metrics, judge

            numbers = dict.fromkeys(
                ("mask_ap50", "mask_ap75", "mask_ap_small", "mask_ap_medium")
                + ("mask_ap_large", "mask_ar", "box_ap", "box_ap50"),
                0.5,
            )
            counts = dict.fromkeys(("num_images", "num_objects", "num_detections"), 1)
            metrics = coco_metrics.MaskMetrics(
                **numbers, **counts, mask_ap=scores.pop(0), classes=()
            )
            return judge.Judgement(metrics, [])

    recipe = {"validation": {"every_steps": 2}, "ema_decay": 0.5}
    trained(tmp_path, model, ask=Asked(), **recipe)
    found = earlier_models.find(str(tmp_path))
    assert (found.step, "judged best" in found.why) == (2, True)
    values, header = earlier_models.read(found)
    # The trainer leaves the averages of the best step in the model.
    assert_equal(values, values_of(model))
    assert "moving averages" in header.source


def test_a_damaged_checkpoint_is_passed_over_and_told_when_it_is_named(
    tiny_model_config, tmp_path
):
    trained(tmp_path, mask2former.build(tiny_model_config, 2))
    folder = tmp_path / "checkpoints"
    (folder / "ckpt-4.index").write_bytes(b"cut")
    assert earlier_models.find(str(folder)).step == 2
    with pytest.raises(errors.WeightsError, match=r"train.init_from .*ckpt-4: .*3 of"):
        earlier_models.find(str(folder / "ckpt-4"))
    (folder / "ckpt-2.index").unlink()
    with pytest.raises(errors.WeightsError, match="no checkpoint in it is whole"):
        earlier_models.find(str(folder))


@pytest.mark.parametrize(
    ("place", "message"),
    [
        ("nowhere", "train.init_from .*nowhere: does not exist; wanted imagenet"),
        ("", "train.init_from .*: holds neither a model nor checkpoints; wanted"),
    ],
)
def test_what_is_nothing_to_start_from_is_refused(tmp_path, place, message):
    with pytest.raises(errors.WeightsError, match=message):
        earlier_models.find(str(tmp_path / place))


def test_a_model_of_others_is_refused(exported):
    found = earlier_models.find(str(exported))
    with pytest.raises(errors.WeightsError, match="does not say which network"):
        earlier_models.header(found)


def test_a_model_of_settings_that_are_not_known_is_refused(version, tmp_path):
    copy = shutil.copytree(version, tmp_path / "7")
    told = {"model": {"backbone": {"name": "swin"}}}
    info = json.dumps({"config": json.dumps(told)})
    (copy / "assets.extra" / "info.json").write_text(info)
    with pytest.raises(errors.WeightsError, match="not one of this version"):
        earlier_models.header(earlier_models.find(str(copy)))


def test_a_torn_model_is_one_line(version, tmp_path):
    copy = shutil.copytree(version, tmp_path / "7")
    (copy / "variables" / "variables.index").write_bytes(b"torn")
    with pytest.raises(errors.WeightsError, match=r"train.init_from .*7: cannot be re"):
        earlier_models.read(earlier_models.find(str(copy)))


@pytest.mark.parametrize("size", [0, 100])
def test_a_graph_cut_short_is_one_line(version, tmp_path, size):
    copy = shutil.copytree(version, tmp_path / "7")
    os.truncate(copy / "saved_model.pb", size)
    with pytest.raises(errors.WeightsError, match=r"train.init_from .*7: cannot be re"):
        earlier_models.read(earlier_models.find(str(copy)))


def test_no_pickle_and_no_function_of_a_model_is_loaded(version, monkeypatch):
    def refuse(*_, **__):
        raise AssertionError("something was executed")

    monkeypatch.setattr(tf.saved_model, "load", refuse)
    monkeypatch.setattr("pickle.load", refuse)
    monkeypatch.setattr("pickle.loads", refuse)
    assert earlier_models.read(earlier_models.find(str(version)))
