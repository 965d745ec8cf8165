import numpy as np
import pytest
import tensorflow as tf

from model import checkpoints, mask2former, optimizer
from pipeline import artifact_paths, config


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


@pytest.mark.parametrize("kind", ["folder", "bucket"])
def test_a_moved_run_is_restored_where_it_is_now_and_not_where_it_was(
    tiny_model_config, tmp_path, kind, request
):
    folder = tmp_path
    if kind == "bucket":
        request.getfixturevalue("gcs")
        folder = artifact_paths.of("gs://bucket/moved")
    run, kept = folder / "unfinished", folder / "run" / "checkpoints"
    kept.parent.mkdir(parents=True)
    _, adamw, saved = _parts(tiny_model_config, run, seed=0)
    adamw.step.assign(17)
    saved.save()
    checkpoints.move(run, kept)
    _, _, moved = _parts(tiny_model_config, kept, seed=1)
    assert moved.restore_latest() == 17
    _, _, fresh = _parts(tiny_model_config, run, seed=1)
    assert fresh.restore_latest() == 0


def test_what_is_left_of_a_move_that_was_cut_off_is_no_checkpoint(
    tiny_model_config, gcs, monkeypatch
):
    run = artifact_paths.of("gs://bucket/cut/unfinished")
    _, adamw, saved = _parts(tiny_model_config, run, seed=0)
    adamw.step.assign(17)
    saved.save()
    files = artifact_paths._prepared

    def two_of(*arguments):
        return files(*arguments)[:2]

    monkeypatch.setattr(artifact_paths, "_prepared", two_of)
    monkeypatch.setattr(artifact_paths, "remove_tree", lambda *a, **k: None)
    checkpoints.move(run, artifact_paths.of("gs://bucket/cut/checkpoints"))
    assert [name for name in gcs.names(f"{run}/") if "ckpt-17" in name]
    _, _, again = _parts(tiny_model_config, run, seed=1)
    assert again.restore_latest() == 0
