import pathlib
import random
import subprocess
import sys
import time

import pytest
import tensorflow as tf

from model.train import manifest

_SCRIPT = pathlib.Path(__file__).with_name("kill_check.py")


def begun(folder, *arguments):
    command = [sys.executable, str(_SCRIPT), str(folder), *arguments]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def ended(training):
    """What a training that was not killed printed."""
    output, error = training.communicate(timeout=600)
    assert training.returncode == 0, error[-3000:]
    return output


def drawn(folder):
    return [
        event.step
        for path in sorted(folder.glob("events*"))
        for event in tf.compat.v1.train.summary_iterator(str(path))
        for value in event.summary.value
        if value.tag == "loss/total"
    ]


def test_killed_while_it_saves_it_ends_bit_for_bit_where_an_unbroken_one_does(
    tmp_path,
):
    unbroken, killed = begun(tmp_path / "a"), begun(tmp_path / "b", "5")
    _, error = killed.communicate(timeout=600)
    assert killed.returncode == -9, error[-3000:]
    assert manifest.steps(tmp_path / "b" / "checkpoints")[:2] == [5, 4]
    assert ended(begun(tmp_path / "b")) == ended(unbroken)
    assert drawn(tmp_path / "b") == drawn(tmp_path / "a") == [*range(1, 9)]


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_killed_while_it_is_judged_and_while_it_exports_it_ends_bit_for_bit_the_same(
    tmp_path,
):
    expected = ended(begun(tmp_path / "a", "judged"))
    place = tmp_path / "b" / "checkpoints"
    for mode, newest in (("judging", 4), ("exporting", 8)):
        killed = begun(tmp_path / "b", mode)
        _, error = killed.communicate(timeout=600)
        assert killed.returncode == -9, error[-3000:]
        assert manifest.steps(place)[0] == newest
    assert ended(begun(tmp_path / "b", "judged")) == expected
    tables = [(tmp_path / name / "validation.csv").read_text() for name in "ab"]
    assert tables[0] == tables[1]
    assert drawn(tmp_path / "b") == [*range(1, 9)]


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_killed_at_ten_moments_it_ends_bit_for_bit_where_an_unbroken_one_does(
    tmp_path,
):
    expected = ended(begun(tmp_path / "a"))
    moments = random.Random(0)  # noqa: S311
    place = tmp_path / "b" / "checkpoints"
    for _ in range(10):
        before = manifest.steps(place)
        training = begun(tmp_path / "b")
        # As soon as it trains, or some time before that.
        if moments.random() < 0.7:
            while manifest.steps(place) == before and training.poll() is None:
                time.sleep(0.001)
        time.sleep(moments.uniform(0.0, 0.1))
        training.kill()
        training.communicate(timeout=60)
    assert ended(begun(tmp_path / "b")) == expected
    assert drawn(tmp_path / "b") == [*range(1, 9)]
