import dataclasses
import importlib.util
import pathlib
import signal
import sys
import types

import pytest
import tiny
import yaml
from ml_metadata import metadata_store
from ml_metadata.proto import metadata_store_pb2

HERE = pathlib.Path(__file__).parent
CHANGE = "train.seed=1"  # trains again on what was ingested and transformed before


def pytest_ignore_collect(collection_path, config):
    """Leaves this folder out unless it is named: `make test-kubeflow`."""
    named = any(HERE.name in str(argument) for argument in config.args)
    return None if named else True


def pytest_xdist_make_scheduler(config, log):
    """Keeps the tests of one database together, so that two run side by side."""
    from xdist.scheduler import loadscope

    class ByDatabase(loadscope.LoadScopeScheduling):
        def _split_scope(self, nodeid):
            named = [name for name in databases.NAMES if f"[{name}]" in nodeid]
            return named[0] if named else nodeid.split("::")[0]

    return ByDatabase(config, log)


def _module(name: str) -> types.ModuleType:
    spec = importlib.util.spec_from_file_location(name, HERE / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


databases = _module("databases")


@dataclasses.dataclass
class Finished:
    """Two runs of the compiled file on one database.

    Attributes:
        runs: ids of the first run and of the changed one.
        address: of the database, for ML Metadata.
    """

    folder: pathlib.Path
    compiled: pathlib.Path
    clusters: list
    runs: list[str]
    store: metadata_store.MetadataStore
    url: str

    @property
    def serving(self) -> pathlib.Path:
        return self.folder / "serving"

    @property
    def root(self) -> pathlib.Path:
        return self.folder / "artifacts"


@pytest.fixture(
    scope="session",
    params=databases.NAMES,
)
def server(request):
    """URL of a private server without a database name."""
    missing = databases.missing(request.param)
    if missing:
        pytest.skip(missing)
    with databases.serving(request.param) as url:
        yield url


@pytest.fixture(scope="session")
def missing_database():
    """Tells what has to be installed for a server; nothing when it can start."""
    return databases.missing


@pytest.fixture(scope="session")
def password():
    return databases.PASSWORD


@pytest.fixture(scope="session")
def data(tmp_path_factory):
    from pipeline.toy import toy_coco

    folder = tmp_path_factory.mktemp("volume") / "data"
    return toy_coco.generate(folder, num_train=8, num_eval=4, size=64)


@pytest.fixture(scope="session")
def cluster():
    """The module `cluster`, which takes seconds to import."""
    return _module("cluster")


@pytest.fixture(scope="session")
def finished(server, data, tmp_path_factory, password, cluster, compile_tiny):
    """The compiled demo, run twice; in the first run every node is killed twice."""
    from pipeline.metadata import metadata_url

    folder = tmp_path_factory.mktemp("cluster")
    volume = folder / "volume"
    compiled = compile_tiny(folder / "pipeline.yaml", str(volume), volume.parents[1])
    url = f"{server}/m2f_e2e"
    environment = {"M2F_METADATA_URL": url, "M2F_METADATA_PASSWORD": password}
    killing = (signal.SIGKILL, signal.SIGTERM)
    clusters, runs = [], []
    for signals, overrides in ((killing, ""), ((), CHANGE)):
        made = cluster.Cluster(compiled, environment, volume / "serving", signals)
        made.run(folder / "kfp", data=str(data), overrides=overrides)
        clusters.append(made)
        address = metadata_url.parse(url)
        store = metadata_url.connect(address, password)
        contexts = store.get_contexts_by_type("pipeline_run")
        runs.append(max(contexts, key=lambda context: context.id).name)
    return Finished(volume, compiled, clusters, runs, store, url)


@pytest.fixture(scope="session")
def compile_tiny(data):
    """Compiles the smallest configuration, for Python instead of a container."""
    from pipeline.cluster import kubeflow
    from pipeline.settings import config_file

    def compile_it(out: pathlib.Path, place: str, mounted: pathlib.Path):
        """Writes the compiled file; `place` is above the roots."""
        settings = config_file.load("demo.yaml", tiny.OVERRIDES)
        section = {
            "image": "registry.example/m2f:1",
            "root": f"{place}/artifacts",
            "serving_root": f"{place}/serving",
            "data": str(data),
            "pvc": {"mount_path": str(mounted)},
            "defaults": {"retries": 2},
        }
        values = {**settings.model_dump(exclude_unset=True), "kubeflow": section}
        checked = config_file.from_values(values, [], "tiny")
        kubeflow.compile_yaml(checked, out, python=sys.executable)
        return out

    return compile_it


@pytest.fixture(scope="session")
def local_runs(data, tmp_path_factory):
    """The same two runs by `m2f run` on SQLite: the workspace and the run ids."""
    from pipeline.local import run_local, workspace
    from pipeline.settings import config_file

    class Quiet:
        def started(self, node_id, position, total):
            pass

        def finished(self, node_id, state, seconds):
            pass

    space = workspace.Workspace(tmp_path_factory.mktemp("workspace"))
    space.create()
    runs = []
    for overrides in (tiny.OVERRIDES, (*tiny.OVERRIDES, CHANGE)):
        settings = config_file.load("demo.yaml", overrides)
        runs.append(run_local.run(settings, [data], space, Quiet()).run_id)
    return space, runs


@pytest.fixture(scope="session")
def lineages():
    return _module("lineages")


@pytest.fixture(scope="session")
def executions(finished):
    """All executions of both runs."""
    return finished.store.get_executions()


@pytest.fixture(scope="session")
def states():
    return metadata_store_pb2.Execution


@pytest.fixture(scope="session")
def spec(finished):
    return next(yaml.safe_load_all(finished.compiled.read_text()))
