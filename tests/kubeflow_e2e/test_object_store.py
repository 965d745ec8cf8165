"""The compiled demo with its artifacts and pushed models in `gs://`.

TensorFlow and Beam talk to a store on loopback by the names and the interface of Google
Cloud Storage; see tests/support/fake_gcs.py. Two nodes are killed while they write.
"""

import collections
import re
import signal
import time

import databases
import pytest
import tensorflow as tf
from ml_metadata.proto import metadata_store_pb2

from model.serve import export

pytestmark = pytest.mark.timeout(3600)

PLACE = "gs://bucket/team"
ROOT, SERVING = f"{PLACE}/artifacts", f"{PLACE}/serving"
# Killed as soon as there is an object of this kind, one an attempt. The Pusher first
# while it copies, then while a version that has a number is not whole.
KILLED_AT = {
    "Trainer": [re.compile(f"{ROOT}/tiny/Trainer/(?!\\.system).*[^/]$")],
    "Pusher": [
        re.compile(f"{SERVING}/tiny/\\.pushing-.*[^/]$"),
        re.compile(f"{SERVING}/tiny/[0-9]+/.*[^/]$"),
    ],
}
NODES = 12
# The second run goes no further: what comes after asks the cache in the same way.
AGAIN = ("CocoExampleGen", "ImportSchemaGen", "Transform")
COMPLETE = metadata_store_pb2.Execution.COMPLETE


@pytest.fixture(scope="module")
def url():
    """URL of a database that is this test's alone."""
    reasons = {name: databases.missing(name) for name in databases.NAMES}
    found = [name for name, reason in reasons.items() if not reason]
    if not found:
        pytest.skip(" ".join(reasons.values()))
    with databases.serving(found[0]) as server:
        yield f"{server}/m2f_objects"


@pytest.fixture(scope="module")
def runs(url, object_store, cluster, compile_tiny, data, password, tmp_path_factory):
    """Two clusters that ran the same file; nodes are killed in the first alone."""

    class StoreCluster(cluster.Cluster):
        def __init__(self, is_first: bool):
            super().__init__(compiled, environment, serving=None)
            self._is_first = is_first

        def run_container(self, command):
            wanted = ("prepare", *AGAIN)
            if self._is_first or any(name in command for name in wanted):
                return super().run_container(command)
            return cluster.status.Status.SUCCESS

        def signal(self, task, attempt):
            kills = len(KILLED_AT.get(task, ())) if self._is_first else 0
            return signal.SIGKILL if attempt < kills else None

        def pushed(self):
            return object_store.names(f"{SERVING}/")

        def wait_until_at_work(self, process, task, first_line):
            before = sum(name == task for name, _ in self.attempts)
            wanted = KILLED_AT[task][before]
            while process.poll() is None:
                if any(map(wanted.match, object_store.names(f"{PLACE}/"))):
                    return
                time.sleep(0.002)

    folder = tmp_path_factory.mktemp("objects")
    compiled = compile_tiny(folder / "pipeline.yaml", PLACE, data.parent)
    environment = {"M2F_METADATA_URL": url, "M2F_METADATA_PASSWORD": password}
    environment |= object_store.environment()
    made = []
    for number in (1, 2):
        made.append(StoreCluster(is_first=number == 1))
        made[-1].run(folder / f"kfp-{number}", data=str(data), overrides="")
    return made


@pytest.fixture(scope="module")
def database(runs, url, password):
    from pipeline.metadata import metadata_url

    return metadata_url.connect(metadata_url.parse(url), password)


@pytest.fixture(scope="module")
def nodes(database):
    """What the metadata store says of the nodes of both runs."""
    from pipeline.metadata import store

    contexts = database.get_contexts_by_type("pipeline_run")
    ordered = sorted(contexts, key=lambda context: context.id)
    return [store.Store(database).run(context.name) for context in ordered]


@pytest.fixture(scope="module")
def pushed(database):
    """Address of each pushed version, and of the artifact that is its copy."""
    return {
        artifact.custom_properties["pushed_destination"].string_value: artifact.uri
        for artifact in database.get_artifacts_by_type("PushedModel")
    }


def contents(store, folder: str) -> dict[str, bytes]:
    """Files below a folder by their names in it."""
    names = store.names(f"{folder}/")
    files = [name for name in names if not name.endswith("/")]  # which mark folders
    return {name.removeprefix(folder): store.read(name) for name in files}


def test_killed_nodes_are_finished_by_their_next_attempt(runs):
    codes = collections.defaultdict(list)
    for task, code in runs[0].attempts:
        codes[task].append(code)
    wanted = {task: [-signal.SIGKILL] * len(KILLED_AT.get(task, ())) for task in codes}
    assert len(codes) == NODES + 1
    assert codes == {task: [*killed, 0] for task, killed in wanted.items()}
    assert {code for _, code in runs[1].attempts} == {0}


def test_a_push_that_is_cut_off_leaves_no_version_that_loads(runs):
    while_copying, while_placing = runs[0].half_pushed
    assert [n for n in while_copying if re.match(f"{SERVING}/tiny/[0-9]", n)] == []
    placed = [n for n in while_placing if re.match(f"{SERVING}/tiny/[0-9]", n)]
    assert placed  # or nothing was cut off
    assert [name for name in placed if name.endswith("/saved_model.pb")] == []


def test_no_execution_stays_running(nodes, database):
    states = metadata_store_pb2.Execution
    left = {execution.last_known_state for execution in database.get_executions()}
    assert left <= {states.COMPLETE, states.CACHED, states.FAILED}
    assert len(nodes[0]) == NODES
    assert {node.state for node in nodes[0].values()} == {"complete"}


def test_the_second_run_finds_all_in_the_cache(nodes):
    first, second = nodes
    assert {name: node.state for name, node in second.items()} == dict.fromkeys(
        AGAIN, "cached"
    )
    for name in AGAIN:
        assert second[name].outputs == first[name].outputs


def test_what_is_below_the_root_was_made_by_executions_that_went_well(
    database, object_store
):
    complete = {
        str(execution.id)
        for execution in database.get_executions()
        if execution.last_known_state == COMPLETE
    }
    outputs = re.compile(f"({ROOT}/tiny/[^/.]+/[^/.]+/([0-9]+))/")
    found = [outputs.match(name) for name in object_store.names(f"{ROOT}/")]
    folders = {match[1]: match[2] for match in found if match}
    assert set(folders.values()) <= complete
    for artifact in database.get_artifacts():
        assert artifact.uri in folders


def test_only_whole_versions_are_served(pushed, object_store):
    below = object_store.names(f"{SERVING}/tiny/")
    tops = {name.removeprefix(f"{SERVING}/tiny/").split("/")[0] for name in below}
    assert tops - {""} == {version.rpartition("/")[2] for version in pushed}
    assert len(pushed) == 1
    for version, copy in pushed.items():
        served = contents(object_store, version)
        assert served == contents(object_store, copy)
        assert {"/saved_model.pb", "/variables/variables.index"} <= set(served)


def test_the_served_model_answers(pushed, gcs, data):
    picture = min((data / "val").iterdir()).read_bytes()
    model = tf.saved_model.load(max(pushed))
    answer = model.signatures[export.ENCODED](image_bytes=tf.constant([picture]))
    assert answer[export.IMAGE_SIZE].numpy().tolist() == [[64, 64]]


def test_every_node_has_a_log_in_the_store_and_none_the_password(
    runs, object_store, password
):
    logs = contents(object_store, f"{ROOT}/logs")
    named = {name.rpartition("/")[2].split("-")[0] for name in logs}
    assert named == {name for name, _ in runs[0].attempts}
    texts = contents(object_store, PLACE) | {
        "output": "\n".join(line for run in runs for line in run.output).encode()
    }
    assert [name for name, text in texts.items() if password.encode() in text] == []


def test_nothing_but_the_store_was_asked_for(runs, object_store):
    assert object_store.refused() == []
