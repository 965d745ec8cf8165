import json
import pathlib
import subprocess
import sys
import threading

import pytest

from foundation import artifact_paths
from model.train import cluster

HOSTS = ["chief:1", "worker:1"]


@pytest.fixture(autouse=True)
def alone(monkeypatch):
    monkeypatch.setenv("TF_CONFIG", "")


def test_tensorflow_is_told_who_this_is(monkeypatch):
    cluster.configure(HOSTS, 1)
    content = json.loads(cluster.os.environ["TF_CONFIG"])
    assert content["cluster"] == {"worker": HOSTS}
    assert content["task"] == {"type": "worker", "index": 1}


@pytest.mark.parametrize(("index", "chief"), [(None, True), (0, True), (1, False)])
def test_worker_0_is_the_chief_and_so_is_who_trains_alone(index, chief):
    if index is not None:
        cluster.configure(HOSTS, index)
    assert cluster.is_chief() is chief


def test_the_batch_is_shared_out_worker_by_worker():
    assert cluster.share(6) == range(6)
    shares = []
    for index in range(3):
        cluster.configure([*HOSTS, "other:1"], index)
        shares.append(cluster.share(6))
    assert shares == [range(2), range(2, 4), range(4, 6)]


def test_a_worker_gets_the_chiefs_call_and_leaves_after_it(tmp_path):
    cluster.configure(HOSTS, 0)
    folder = tmp_path / "Trainer"
    found = []

    def wait():
        found.append(cluster.wait_for_call(folder))
        cluster.wait_for_end(folder)

    worker = threading.Thread(target=wait)
    worker.start()
    with cluster.announced({"train_files": ["a"]}, folder):
        while not found:
            worker.join(0.01)
        assert worker.is_alive()
    worker.join(30)
    assert not worker.is_alive()
    assert found == [{"train_files": ["a"]}]


def test_the_call_may_be_in_a_bucket(gcs):
    cluster.configure(HOSTS, 0)
    folder = artifact_paths.of("gs://bucket/demo/Trainer")
    with cluster.announced({"train_files": ["a"]}, folder):
        assert cluster.wait_for_call(folder) == {"train_files": ["a"]}
    assert [n for n in gcs.names(f"{folder}/") if not n.endswith("/")] == []


@pytest.fixture
def impatient(monkeypatch):
    monkeypatch.setattr(cluster, "_POLL_SECONDS", 0.1)
    monkeypatch.setattr(cluster, "_PATIENCE_SECONDS", 1.0)


def test_what_a_store_refuses_for_a_while_ends_no_training(gcs, impatient):
    cluster.configure(HOSTS, 0)
    folder = artifact_paths.of("gs://bucket/refused/Trainer")
    gcs.fail_next(2, status=403)
    with cluster.announced({"train_files": ["a"]}, folder):
        gcs.fail_next(2, status=403)
        assert cluster.wait_for_call(folder) == {"train_files": ["a"]}
        gcs.fail_next(2, status=403)
        worker = threading.Thread(target=cluster.wait_for_end, args=(folder,))
        worker.start()
        worker.join(0.5)
        assert worker.is_alive()
        gcs.fail_next(2, status=403, method="DELETE")
    worker.join(30)
    assert not worker.is_alive()
    assert [n for n in gcs.names(f"{folder}/") if not n.endswith("/")] == []


@pytest.mark.parametrize("wait", [cluster.wait_for_call, cluster.wait_for_end])
def test_a_worker_that_is_refused_for_good_gives_up(gcs, impatient, wait):
    gcs.fail_next(100_000, status=403)
    with pytest.raises(PermissionError):
        wait(artifact_paths.of("gs://bucket/forbidden/Trainer"))
    gcs.recover()


def test_a_failure_of_the_chief_takes_the_call_back(tmp_path):
    cluster.configure(HOSTS, 0)
    with pytest.raises(ZeroDivisionError), cluster.announced({}, tmp_path):
        raise ZeroDivisionError
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("index", [None, 1])
def test_only_a_chief_of_others_calls(index, tmp_path):
    if index is not None:
        cluster.configure(HOSTS, index)
    with cluster.announced({}, tmp_path):
        assert list(tmp_path.iterdir()) == []


def test_two_workers_train_what_one_process_trains():
    script = pathlib.Path(__file__).with_name("multi_worker_check.py")
    run = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, timeout=550
    )
    assert run.returncode == 0, run.stderr[-3000:]
    assert "2 workers, largest difference" in run.stdout
