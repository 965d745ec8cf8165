import fake_gcs
import numpy as np
import pytest
import tensorflow as tf

from foundation import artifact_paths
from model import config
from model.network import mask2former
from model.train import checkpoints, optimizer


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


def test_whichever_request_of_a_move_is_refused_training_can_go_on(gcs):
    names = ("checkpoint", "ckpt-17.data-00000-of-00001", "ckpt-17.index")
    ends = []
    for number in fake_gcs.each_refused(gcs):
        places = [f"gs://bucket/cut/{number}/{kind}" for kind in ("unfinished", "kept")]
        for name in names:
            gcs.write(f"{places[0]}/{name}", name.encode())
        try:
            checkpoints.move(*map(artifact_paths.of, places))
        except OSError as error:
            ends.append(error)
        else:
            ends.append(None)
        # Where the list is, TensorFlow finds a checkpoint: it has to be whole.
        left, kept = ([n for n in names if gcs.names(f"{p}/{n}")] for p in places)
        assert all(
            "checkpoint" not in there or there == [*names] for there in (left, kept)
        )
        assert (left if ends[-1] else kept) == [*names]
        if not ends[-1]:
            assert "checkpoint" not in left
    assert len(ends) > len(names)
    assert ends[-1] is None
    assert all(gcs.read(f"{places[1]}/{name}") == name.encode() for name in names)
    assert not gcs.names(places[0])
