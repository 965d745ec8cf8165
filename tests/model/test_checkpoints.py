import numpy as np
import tensorflow as tf

from model import checkpoints, mask2former, optimizer
from pipeline import config


def _parts(tiny_model_config, run_dir, seed):
    backbone = tiny_model_config.backbone.model_copy(update={"norm": "batch"})
    settings = tiny_model_config.model_copy(update={"backbone": backbone})
    model = mask2former.build(settings, 2, seed=seed)
    adamw = optimizer.AdamW(model.trainable_variables, config.TrainConfig())
    return model, adamw, checkpoints.Checkpoints(model, adamw, run_dir)


def test_a_new_run_starts_at_step_zero(tiny_model_config, tmp_path):
    _, _, saved = _parts(tiny_model_config, tmp_path, seed=0)
    assert saved.restore_latest() == 0


def test_every_weight_statistic_moment_and_the_step_come_back(
    tiny_model_config, tmp_path
):
    model, adamw, saved = _parts(tiny_model_config, tmp_path, seed=0)
    kept = [*model.variables, *adamw.first_moments, *adamw.second_moments]
    for number, variable in enumerate(kept):
        variable.assign(tf.random.stateless_normal(variable.shape, [number, 0]))
    adamw.step.assign(17)
    saved.save()
    twin, twin_adamw, twin_saved = _parts(tiny_model_config, tmp_path, seed=1)
    assert twin_saved.restore_latest() == 17
    found = [*twin.variables, *twin_adamw.first_moments, *twin_adamw.second_moments]
    assert len(found) == len(kept)
    for one, other in zip(found, kept, strict=True):
        np.testing.assert_array_equal(one, other)


def test_only_the_last_two_are_kept(tiny_model_config, tmp_path):
    _, adamw, saved = _parts(tiny_model_config, tmp_path, seed=0)
    for step in (5, 10, 15):
        adamw.step.assign(step)
        saved.save()
    names = sorted(path.name for path in tmp_path.glob("*.index"))
    assert names == ["ckpt-10.index", "ckpt-15.index"]
