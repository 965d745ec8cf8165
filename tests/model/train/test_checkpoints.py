import fake_gcs
import numpy as np
import pytest
import tensorflow as tf

from foundation import artifact_paths, errors
from model import config
from model.network import mask2former
from model.train import checkpoints, manifest, optimizer, state

DAMAGES = {
    "data cut short": ("ckpt-10.data-00000-of-00001", lambda b: b[: len(b) // 2]),
    "index cut short": ("ckpt-10.index", lambda b: b[: len(b) // 2]),
    "list cut short": ("ckpt-10.json", lambda b: b[: len(b) // 2]),
    "bit flipped in the data": ("ckpt-10.data-00000-of-00001", "flip"),
    "bit flipped in the index": ("ckpt-10.index", "flip"),
    "bit flipped in the list": ("ckpt-10.json", "flip"),
    "data missing": ("ckpt-10.data-00000-of-00001", None),
    "index missing": ("ckpt-10.index", None),
    "list missing": ("ckpt-10.json", None),
    "data empty": ("ckpt-10.data-00000-of-00001", lambda b: b""),
}


def damage(folder, kind):
    name, change = DAMAGES[kind]
    place = folder / name
    content = place.read_bytes()
    if change is None:
        place.unlink()
    elif change == "flip":
        spoiled = bytearray(content)
        spoiled[len(spoiled) // 2] ^= 4
        place.write_bytes(bytes(spoiled))
    else:
        place.write_bytes(change(content))


def saved_at(small, folder, *steps, **options):
    training = small()
    kept = checkpoints.Checkpoints(training.state, folder, **options)
    for step in steps:
        training.change(step)
        kept.save()
    return training, kept


def restored(small, folder, **options):
    """A new training that goes on, where from, and what was told."""
    training, told = small(seed=1), []
    kept = checkpoints.Checkpoints(training.state, folder, **options)
    return training, kept.restore_latest(told.append), told


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_new_run_starts_at_step_zero(small, root):
    _, step, told = restored(small, root / "run")
    assert (step, told) == (0, [])


def test_every_weight_statistic_moment_and_counter_come_back(
    tiny_model_config, tmp_path
):
    backbone = tiny_model_config.backbone.model_copy(update={"norm": "batch"})
    settings = tiny_model_config.model_copy(update={"backbone": backbone})

    def made(seed):
        model = mask2former.build(settings, 2, seed=seed)
        adamw = optimizer.AdamW(model.trainable_variables, config.TrainConfig())
        kept = checkpoints.Checkpoints(state.State(model, adamw), tmp_path)
        counters = [adamw.updates, adamw.skipped]
        moments = [*adamw.first_moments, *adamw.second_moments]
        return kept, adamw, [*model.variables, *moments, *counters]

    saved, adamw, variables = made(0)
    for number, variable in enumerate(variables):
        value = tf.random.stateless_normal(variable.shape, [number, 0]) * 50
        variable.assign(tf.cast(value, variable.dtype))
    adamw.step.assign(17)
    saved.save()
    twin, _, twins = made(1)
    assert twin.restore_latest() == 17
    assert len(twins) == len(variables)
    for one, other in zip(twins, variables, strict=True):
        np.testing.assert_array_equal(one, other)


def test_only_the_last_two_are_kept_and_those_asked_for(small, root):
    training, kept = saved_at(small, root / "run", 5, 10)
    for step in (15, 20):
        training.change(step)
        kept.save(keep=[5])
    assert manifest.steps(root / "run") == [20, 15, 5]
    training.change(25)
    kept.save()
    assert manifest.steps(root / "run") == [25, 20]
    assert names(root / "run")[0] == "checkpoint"
    assert len(names(root / "run")) == 7


def test_tensorflows_own_tools_find_the_newest(small, tmp_path):
    saved_at(small, tmp_path, 5, 10)
    assert tf.train.latest_checkpoint(str(tmp_path)) == str(tmp_path / "ckpt-10")


def test_a_step_is_saved_once(small, tmp_path):
    _, kept = saved_at(small, tmp_path, 5)
    before = (tmp_path / "ckpt-5.json").read_bytes()
    kept.save()
    assert (tmp_path / "ckpt-5.json").read_bytes() == before


@pytest.mark.parametrize("kind", DAMAGES)
def test_a_damaged_newest_checkpoint_falls_back_to_the_one_before(
    small, tmp_path, kind
):
    before, _ = saved_at(small, tmp_path, 5)
    saved_at(small, tmp_path, 5, 10)
    damage(tmp_path, kind)
    training, step, told = restored(small, tmp_path)
    assert step == 5
    for one, other in zip(training.variables(), before.variables(), strict=True):
        np.testing.assert_array_equal(one, other)
    (line,) = told
    assert "\n" not in line
    assert "ckpt-10" in line
    assert line.endswith("Training goes on from step 5")


def test_it_does_so_in_an_object_store(small, bucket):
    saved_at(small, bucket, 5, 10)
    assert restored(small, bucket)[1:] == (10, [])
    damage(bucket, "bit flipped in the data")
    _, step, (line,) = restored(small, bucket)
    assert step == 5
    assert "ckpt-10.data-00000-of-00001 is not as it was written" in line


def test_after_a_fall_back_the_damaged_step_is_saved_again(small, tmp_path):
    saved_at(small, tmp_path, 5, 10)
    damage(tmp_path, "index cut short")
    training, told = small(seed=1), []
    kept = checkpoints.Checkpoints(training.state, tmp_path)
    kept.restore_latest(told.append)
    training.change(10)
    kept.save()
    assert restored(small, tmp_path)[1:] == (10, [])


def test_when_all_are_damaged_a_line_says_that_training_starts_anew(small, tmp_path):
    saved_at(small, tmp_path, 5, 10)
    damage(tmp_path, "index missing")
    (tmp_path / "ckpt-5.index").unlink()
    _, step, (line,) = restored(small, tmp_path)
    assert step == 0
    assert "ckpt-10" in line
    assert "ckpt-5" in line
    assert line.endswith("step 0, for none is whole")


def test_what_was_being_written_when_the_process_ended_is_told_and_removed(
    small, tmp_path
):
    saved_at(small, tmp_path, 5)
    (tmp_path / "ckpt-9_temp").mkdir()
    (tmp_path / "ckpt-9_temp" / "part").touch()
    (tmp_path / "ckpt-9.index").touch()
    _, step, (line,) = restored(small, tmp_path)
    assert step == 5
    assert "not written to its end" in line
    training, _ = saved_at(small, tmp_path, 10)
    assert manifest.steps(tmp_path) == [10]
    assert not (tmp_path / "ckpt-9_temp").exists()


def test_values_that_are_not_finite_are_never_saved(small, tmp_path):
    training, kept = saved_at(small, tmp_path, 5)
    training.change(10)
    training.adamw.first_moments[0].assign(np.full([2, 3], np.nan, np.float32))
    with pytest.raises(errors.PipelineError, match="step 10: 1 weights .* not finite"):
        kept.save()
    assert manifest.steps(tmp_path) == [5]


def test_another_training_in_the_folder_is_refused_naming_the_keys(small, tmp_path):
    saved_at(small, tmp_path, 5, training={"train.steps": 10, "train.seed": 0})
    other = {"train.steps": 20, "train.seed": 0}
    with pytest.raises(errors.ConfigError, match="train.steps was 10 and is 20. Name"):
        restored(small, tmp_path, training=other)


def test_a_disk_that_takes_no_more_is_one_error_and_the_last_one_stays(
    small, tmp_path, smallest_files
):
    training, kept = saved_at(small, tmp_path, 5)
    training.change(10)
    with smallest_files(), pytest.raises(errors.PipelineError, match="step 10 could"):
        kept.save()
    assert restored(small, tmp_path)[1] == 5


def test_whichever_request_of_a_save_is_refused_training_can_go_on(
    small, gcs, tmp_path
):
    place = artifact_paths.of("gs://bucket/refused_save")
    training, kept = saved_at(small, place, 5)
    done, failures = 5, 0
    for number in fake_gcs.each_refused(gcs):
        training.change(done + 1)
        try:
            kept.save()
        except errors.PipelineError:
            failures += 1
        else:
            done += 1
        here = tmp_path / str(number)
        here.mkdir()
        for address in gcs.names(f"{place}/"):
            if not address.endswith("/"):
                name = address.rpartition("/")[2]
                (here / name).write_bytes(gcs.read(address))
        assert restored(small, here)[1] in (done, done + 1)
    assert failures > 3


def test_a_store_that_refuses_to_be_read_is_no_damage(small, bucket, gcs):
    saved_at(small, bucket, 5)
    gcs.fail_next(100_000, status=403)
    with pytest.raises(OSError, match="403|denied|refused"):
        restored(small, bucket)
    gcs.recover()
