import contextlib
import json
import os
import threading

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_transform.beam as tft_beam
from tensorflow_transform.tf_metadata import dataset_metadata, schema_utils

from foundation import progress
from model import config, image_sections
from model.examples import features, preprocessing
from model.train import cluster, train_worker

HOSTS = ["chief:1", "worker:1"]
DATA = image_sections.ImageConfig(short_side=32, long_side=32)
RECIPE = {
    "steps": 1,
    "batch_size": 2,
    "augment": {"crop_size": 32},
    "loss": {"num_points": 16},
}


@pytest.fixture(autouse=True)
def alone(monkeypatch):
    """No worker of any cluster, and no pod of a job."""
    monkeypatch.setenv("TF_CONFIG", "")
    monkeypatch.delenv("JOB_COMPLETION_INDEX", raising=False)
    monkeypatch.setattr(cluster, "_POLL_SECONDS", 0.05)


class Training:
    """Shows progress to the test."""

    def __init__(self):
        self.steps, self.ended = 0, threading.Event()

    def start(self, description, total, done=0):
        return self

    def tell(self, line):
        pass

    def advance(self, count=1, note=""):
        self.steps += count

    def finish(self, task):
        self.ended.set()


@pytest.fixture
def training():
    shown = Training()
    progress.set_reporter(shown)
    yield shown
    progress.set_reporter(progress.LineReporter())


@pytest.fixture(scope="module")
def transform_graph(tmp_path_factory):
    """What Transform left, of one image with one instance of category 3."""
    folder = tmp_path_factory.mktemp("transform")
    row = {
        features.IMAGE_ENCODED: [tf.io.encode_png(np.zeros([8, 8, 3], "u1")).numpy()],
        features.IS_CROWD: [0],
        features.CATEGORY_ID: [3],
        features.CATEGORY_NAME: [b"disk"],
    }
    kinds = dict.fromkeys((features.IS_CROWD, features.CATEGORY_ID), tf.int64)
    spec = {key: tf.io.VarLenFeature(kinds.get(key, tf.string)) for key in row}
    metadata = dataset_metadata.DatasetMetadata(
        schema_utils.schema_from_feature_spec(spec)
    )
    settings = {"data": DATA.model_dump_json()}
    with tft_beam.Context(temp_dir=str(folder / "tmp")):
        transform_fn = ([row], metadata) | tft_beam.AnalyzeDataset(
            lambda inputs: preprocessing.preprocessing_fn(inputs, settings)
        )
        _ = transform_fn | tft_beam.WriteTransformFn(str(folder / "graph"))
    return folder / "graph"


@pytest.fixture
def call(
    transform_graph, tiny_model_config, serialize_example, write_records, tmp_path
):
    """What the chief was called with; arguments change the recipe."""
    mask = np.zeros([32, 32], np.uint8)
    mask[:8] = 1
    examples = [serialize_example(mask, [mask], [3], image_id=n) for n in range(4)]
    file = write_records(tmp_path / "train.gz", examples)

    def made(**recipe):
        settings = config.TrainerConfig.model_validate(
            {"data": DATA, "model": tiny_model_config, "train": {**RECIPE, **recipe}}
        )
        return {
            "custom_config": {"config": settings.model_dump_json()},
            "hyperparameters": None,
            "train_files": [file],
            "eval_files": [],
            "transform_graph_path": str(transform_graph),
            "model_run_dir": str(tmp_path / "Trainer" / "model_run" / "7"),
        }

    return made


@contextlib.contextmanager
def announced(call, folder):
    """The chief's side: leaves its call until the block ends."""
    cluster.configure(HOSTS, 0)
    with cluster.announced(call, folder):
        os.environ["TF_CONFIG"] = ""
        yield


def main(folder):
    return train_worker.main(["--folder", str(folder), "--hosts", *HOSTS])


def options(*arguments):
    return train_worker._parser().parse_args(
        ["--folder", "gs://b/Trainer", "--hosts", *HOSTS, *arguments]
    )


def test_the_first_pod_of_a_job_is_worker_1_for_the_chief_is_none_of_them(monkeypatch):
    assert options().index == 1
    monkeypatch.setenv("JOB_COMPLETION_INDEX", "2")
    assert options().index == 3
    assert options("--index", "5").index == 5


def test_the_folder_may_be_in_a_bucket_and_hosts_keep_their_order():
    assert str(options().folder) == "gs://b/Trainer"
    assert options().hosts == HOSTS


@pytest.mark.parametrize("lacking", ["--folder", "--hosts"])
def test_a_worker_has_to_be_told_where_and_with_whom(lacking, capsys):
    given = {"--folder": "f", "--hosts": "a:1"}
    del given[lacking]
    with pytest.raises(SystemExit) as ended:
        train_worker.main([text for pair in given.items() for text in pair])
    assert ended.value.code == 2
    assert f"required: {lacking}" in capsys.readouterr().err


def test_a_worker_trains_what_it_is_called_to_and_leaves_when_the_chief_is_done(
    call, tmp_path, training
):
    codes = []
    worker = threading.Thread(target=lambda: codes.append(main(tmp_path)))
    with announced(call(steps=2), tmp_path):
        worker.start()
        assert training.ended.wait(120)
        assert json.loads(os.environ["TF_CONFIG"])["task"]["index"] == 1
        worker.join(0.5)
        assert worker.is_alive() and codes == []
    worker.join(60)
    assert codes == [0]
    assert training.steps == 2
    assert not (tmp_path / "Trainer").exists()  # checkpoints and model are the chief's


def test_what_the_user_can_put_right_is_one_line_and_exit_code_2(call, tmp_path, capfd):
    with announced(call(init_from=str(tmp_path / "none.safetensors")), tmp_path):
        assert main(tmp_path) == 2
    (line,) = [text for text in capfd.readouterr().err.splitlines() if "error:" in text]
    assert line.startswith("error: ") and "none.safetensors: does not exist" in line


def test_a_training_that_cannot_go_on_is_exit_code_1(call, tmp_path, capfd):
    with announced({**call(), "train_files": []}, tmp_path):
        assert main(tmp_path) == 1
    assert "error: the examples cannot be read: no file in" in capfd.readouterr().err
