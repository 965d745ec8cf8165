import json
import os
import time

import pytest

from foundation import errors
from model import config
from model.train import manifest, unfinished


def described(info=None, examples=("b", "a"), **train):
    settings = config.TrainerConfig.model_validate({"train": train})
    return unfinished.description(settings, list(examples), "graph/3", info or {})


def saved(node_folder, training, step=5):
    """A training with a checkpoint."""
    folder = unfinished.folder_of(node_folder, training) / unfinished.CHECKPOINTS
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"ckpt-{step}.index").write_bytes(b"index")
    files = {f"ckpt-{step}.index": manifest.measure(folder / f"ckpt-{step}.index")}
    manifest.write(folder, step, files, training, {})
    return folder.parent


def test_the_same_training_finds_its_folder_and_another_does_not(tmp_path):
    same = [unfinished.folder_of(tmp_path, described(steps=10)) for _ in range(2)]
    assert same[0] == same[1]
    assert same[0].parent == tmp_path / "unfinished"
    others = [
        described(steps=11),
        described(steps=10, examples=["a"]),
        described(steps=10, info={"code_digest": "x"}),
        described(steps=10, info={"initial_weights": "x"}),
        described(steps=10, schedule="constant"),
        described(steps=10, layer_decay=0.5),
        described(steps=10, scale_lr_for_batch=8),
        described(steps=10, loss={"class_balance": 0.5}),
    ]
    folders = {unfinished.folder_of(tmp_path, training) for training in others}
    assert len(folders - set(same)) == len(others)


@pytest.mark.parametrize("key", config.WITHOUT_EFFECT)
def test_what_has_no_effect_on_the_weights_changes_nothing(tmp_path, key):
    assert described() == described(**{key: 7})


def test_who_starts_anew_is_told_what_changed_since(tmp_path):
    before = described(learning_rate=0.5)
    folder = saved(tmp_path, before)
    line = unfinished.tell_of_another(tmp_path, described(learning_rate=0.25))
    assert "train.learning_rate was 0.5 and is 0.25. What" in line
    assert f"5 steps, stays in {folder} for 14 days" in line
    assert unfinished.tell_of_another(tmp_path, before) is None


def test_who_goes_on_or_is_the_first_is_told_nothing(tmp_path):
    assert unfinished.tell_of_another(tmp_path / "nowhere", described()) is None
    saved(tmp_path, described(learning_rate=0.5))
    saved(tmp_path, described())
    assert unfinished.tell_of_another(tmp_path, described()) is None


def test_the_outputs_get_all_of_it_and_the_folder_goes_with_the_execution(root):
    node = root / "Trainer"
    folder = saved(node, described())
    (folder / "events.out.tfevents.1").write_bytes(b"curve")
    run_dir = node / "model_run" / "7"
    unfinished.hand_over(folder, run_dir)
    unfinished.hand_over(folder, run_dir)  # as after a kill
    assert (run_dir / "events.out.tfevents.1").read_bytes() == b"curve"
    manifest.check(run_dir / "checkpoints", manifest.read(run_dir / "checkpoints", 5))
    unfinished.undo(node, 7)
    unfinished.forget(node, 6)
    assert folder.is_dir()
    unfinished.forget(node, 7)
    assert not folder.is_dir()
    assert (run_dir / "events.out.tfevents.1").read_bytes() == b"curve"


def test_an_execution_whose_outputs_were_removed_hands_over_again(tmp_path):
    folder = saved(tmp_path, described())
    unfinished.hand_over(folder, tmp_path / "model_run" / "7")
    unfinished.hand_over(folder, tmp_path / "model_run" / "8")
    unfinished.forget(tmp_path, 7)
    assert folder.is_dir()
    unfinished.forget(tmp_path, 8)
    assert not folder.is_dir()


def test_trainings_that_nobody_came_back_to_are_removed_after_two_weeks(tmp_path):
    old, recent = saved(tmp_path, described(steps=1)), saved(tmp_path, described())
    for path in old.rglob("*"):
        day = 86_400
        os.utime(path, (time.time() - 15 * day, time.time() - 15 * day))
    unfinished.forget(tmp_path, 9)
    assert not old.is_dir()
    assert recent.is_dir()


def test_folders_of_earlier_versions_are_no_trainings_to_tell_of(tmp_path):
    old = tmp_path / "unfinished" / "abc"
    old.mkdir(parents=True)
    (old / "checkpoint").write_text(json.dumps("x"))
    assert unfinished.tell_of_another(tmp_path, described()) is None
    unfinished.forget(tmp_path, 1)
    assert old.is_dir()


def test_a_node_without_trainings_has_nothing_to_forget(root):
    unfinished.forget(root / "Trainer", 1)


def test_a_folder_of_another_training_is_refused_but_not_for_its_classes(tmp_path):
    before = {**described(steps=10), unfinished.CLASSES: [[1, "nut"]]}
    folder = saved(tmp_path, before)
    unfinished.require_same(tmp_path / "nowhere", before)
    unfinished.require_same(folder, described(steps=10))
    with pytest.raises(errors.ConfigError, match="at step 5.*train.steps was 10 and"):
        unfinished.require_same(folder, described(steps=11))


@pytest.mark.parametrize("length", [{"steps": "auto"}, {"epochs": 3}])
def test_a_length_that_is_not_known_yet_is_not_compared(tmp_path, length):
    folder = saved(tmp_path, described(steps=10))
    unfinished.require_same(folder, described(**length))
    with pytest.raises(errors.ConfigError, match="train.seed was 0 and is 1"):
        unfinished.require_same(folder, described(**length, seed=1))
