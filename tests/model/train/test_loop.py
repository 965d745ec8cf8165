"""How judging, averages and saving go together; plain steps: `test_trainer`."""

import math
import os
import signal
import threading
import time

import numpy as np
import pytest
import small_batches
import tensorflow as tf

from foundation import errors
from model.evaluation import coco_metrics, judge
from model.network import mask2former
from model.train import trainer

_REPEATED = small_batches.batch()


def batches_from(start):
    return tf.data.Dataset.range(start, 1000).map(
        lambda step: {
            **{key: tf.constant(value) for key, value in _REPEATED.items()},
            "images": tf.random.stateless_normal(
                _REPEATED["images"].shape, tf.stack([step, 0])
            ),
        }
    )


class Scripted:
    """Judges with scores that are given; remembers the weights it was asked with."""

    def __init__(self, model, *scores, before=lambda: None):
        self.weights = []
        self._model = model
        self._scores = list(scores)
        self._before = before

    def __call__(self):
        self.weights.append(flat(self._model))
        self._before()
        fields = dict.fromkeys(
            ("mask_ap50", "mask_ap75", "mask_ap_small", "mask_ap_medium")
            + ("mask_ap_large", "mask_ar", "box_ap", "box_ap50"),
            0.5,
        )
        counts = dict.fromkeys(("num_images", "num_objects", "num_detections"), 1)
        metrics = coco_metrics.MaskMetrics(
            **fields, **counts, mask_ap=self._scores.pop(0), classes=()
        )
        return judge.Judgement(metrics, [np.zeros([4, 4, 3], np.uint8)])


def flat(model):
    return np.concatenate([weight.numpy().ravel() for weight in model.variables])


def recipe(steps=6, **changes):
    return small_batches.settings(
        steps=steps,
        checkpoint_steps=100,
        ema_decay=0.5,
        **{"validation": {"every_steps": 2}, **changes},
    )


@pytest.fixture
def build(tiny_model_config):
    return lambda seed=0: mask2former.build(tiny_model_config, 2, seed=seed)


def train(model, settings, folder, ask):
    return trainer.train(model, batches_from, settings, folder, ask=ask)


def test_the_best_step_is_kept_and_its_averages_are_what_the_model_ends_with(
    build, tmp_path
):
    model = build()
    asked = Scripted(model, 0.25, 0.5, 0.375)
    result = train(model, recipe(), tmp_path, asked)
    assert (result.steps, result.exported.step, result.last.step) == (6, 4, 6)
    assert result.to_facts()["exported_mask_ap"] == 0.5
    np.testing.assert_array_equal(flat(model), asked.weights[1])
    assert not np.array_equal(asked.weights[1], asked.weights[2])
    lines = (tmp_path / "validation.csv").read_text().splitlines()
    assert [line.split(",")[:2] for line in lines[1:]] == [
        ["2", "0.25"],
        ["4", "0.5"],
        ["6", "0.375"],
    ]
    kept = sorted(path.name for path in (tmp_path / "checkpoints").glob("ckpt-*.json"))
    assert "ckpt-4.json" in kept and "ckpt-6.json" in kept

    # Once more, as after a process that ended while it exported: nothing is trained.
    model = build(seed=5)
    again = train(model, recipe(), tmp_path, Scripted(model))
    assert (again.exported, again.last) == (result.exported, result.last)
    np.testing.assert_array_equal(flat(model), asked.weights[1])


def test_training_ends_when_patience_does_and_not_anew_when_it_goes_on(build, tmp_path):
    model = build()
    settings = recipe(steps=20, validation={"every_steps": 1, "patience": 2})
    asked = Scripted(model, math.nan, 0.5, 0.25, 0.5)
    result = train(model, settings, tmp_path, asked)
    assert (result.steps, result.exported.step) == (4, 2)
    model = build(seed=5)
    assert train(model, settings, tmp_path, Scripted(model)).exported.step == 2


def test_told_to_stop_while_it_is_judged_a_training_loses_nothing(build, tmp_path):
    model = build()
    unbroken = Scripted(model, 0.25, 0.5)
    train(model, recipe(steps=4), tmp_path / "whole", unbroken)

    judging = threading.Event()

    def stopped_meanwhile():
        judging.set()
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(2)  # longer than the saving takes

    model = build()
    cut = Scripted(model, 0.25, before=stopped_meanwhile)
    with pytest.raises(errors.Interrupted, match="step 2 of 4 is saved"):
        train(model, recipe(steps=4), tmp_path / "cut", cut)
    assert judging.is_set()
    assert not (tmp_path / "cut" / "validation.csv").exists()

    model = build(seed=5)
    resumed = Scripted(model, 0.25, 0.5)
    train(model, recipe(steps=4), tmp_path / "cut", resumed)
    for one, other in zip(resumed.weights, unbroken.weights, strict=True):
        np.testing.assert_array_equal(one, other)
