import json
import os
import pathlib
import shutil
import signal
import threading
import time

import pytest
from tfx.components.pusher import executor as pusher
from tfx.types import standard_artifacts

from components.serving_validator import executor, sandbox

SHAPES = [(3, 8, 0, 8, 32), (22, 20, 0, 8, 32)]


@pytest.fixture
def artifacts(tmp_path, exported, colour_model):
    def make(kind, name):
        artifact = kind()
        artifact.uri = str(tmp_path / name)
        return artifact

    examples = make(standard_artifacts.Examples, "examples")
    examples.split_names = '["train", "eval"]'
    records = [
        colour_model.example(1, colour_model.picture(SHAPES), SHAPES),
        colour_model.example(2, colour_model.picture([], (48, 32)), []),
        colour_model.example(3, colour_model.picture(SHAPES[:1]), SHAPES[:1]),
    ]
    colour_model.write_split(tmp_path / "examples" / "Split-eval", records)
    shutil.copytree(exported, tmp_path / "model" / "Format-Serving")
    return {
        "examples": examples,
        "model": make(standard_artifacts.Model, "model"),
        "blessing": make(standard_artifacts.InfraBlessing, "blessing"),
        "saved_model": tmp_path / "model" / "Format-Serving",
    }


def run(artifacts, **changes):
    properties = {
        "num_requests": 2,
        "timeout_seconds": 120,
        "example_split": "eval",
        "code_digest": "x",
    }
    inputs = {"model": [artifacts["model"]], "examples": [artifacts["examples"]]}
    outputs = {"blessing": [artifacts["blessing"]]}
    executor.Executor().Do(inputs, outputs, properties | changes)
    folder = pathlib.Path(artifacts["blessing"].uri)
    content = json.loads((folder / "report.json").read_text())
    return artifacts["blessing"], content


def assert_refused(artifacts, blessing, content):
    folder = pathlib.Path(blessing.uri)
    assert blessing.get_int_custom_property("blessed") == 0
    assert (folder / "INFRA_NOT_BLESSED").exists()
    assert not (folder / "INFRA_BLESSED").exists()
    assert content["passed"] is False
    assert not pusher.Executor().CheckBlessing({"infra_blessing": [blessing]})
    return blessing.get_string_custom_property("reason")


def test_a_sound_model_is_blessed_so_that_the_pusher_pushes(artifacts):
    blessing, content = run(artifacts)
    assert blessing.get_int_custom_property("blessed") == 1
    assert (pathlib.Path(blessing.uri) / "INFRA_BLESSED").exists()
    assert pusher.Executor().CheckBlessing({"infra_blessing": [blessing]})
    # Two images by three signatures, and a batch of both.
    reason = blessing.get_string_custom_property("reason")
    assert reason.startswith("7 requests about 2 eval images answered")
    assert content["latency_ms"] > 0 and content["load_seconds"] > 0


def test_a_model_that_cannot_be_loaded_is_refused_not_raised(artifacts):
    shutil.rmtree(artifacts["saved_model"] / "variables")
    reason = assert_refused(artifacts, *run(artifacts))
    assert "failed with exit code 1" in reason
    assert "variables" in reason


def test_a_model_without_a_table_of_classes_is_refused(artifacts):
    (artifacts["saved_model"] / "assets.extra" / "categories.json").unlink()
    assert "categories.json" in assert_refused(artifacts, *run(artifacts))


def test_a_missing_split_is_refused(artifacts):
    reason = assert_refused(artifacts, *run(artifacts, example_split="test"))
    assert "no eval images" in reason


def test_a_model_that_does_not_answer_in_time_is_refused(artifacts):
    began = time.monotonic()
    reason = assert_refused(artifacts, *run(artifacts, timeout_seconds=1))
    assert "no answer within 1 s" in reason
    assert time.monotonic() - began < 20  # it was not waited for


def test_an_interrupt_ends_the_child_and_passes_through(artifacts, monkeypatch):
    started = []
    popen = sandbox.subprocess.Popen

    def remember(*arguments, **options):
        started.append(popen(*arguments, **options))
        return started[-1]

    monkeypatch.setattr(sandbox.subprocess, "Popen", remember)

    def interrupt():
        while not started:
            time.sleep(0.05)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt, daemon=True).start()
    with pytest.raises(KeyboardInterrupt):
        run(artifacts)
    assert started[0].poll() == -signal.SIGKILL
