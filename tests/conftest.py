"""Fixtures that tests of several folders share."""

import importlib.util
import pathlib
import signal
import threading

import pytest

pytest_plugins = ["suite_guard"]

# A suite started in the background inherits that Ctrl-C is ignored, and hands it on to
# the processes whose Ctrl-C it tests.
if threading.current_thread() is threading.main_thread():
    signal.signal(signal.SIGINT, signal.default_int_handler)

_COLOUR_MODEL = pathlib.Path(__file__).with_name("colour_model.py")


@pytest.fixture(scope="session")
def colour_model():
    """The module `colour_model.py`; with importmode=importlib it has no name."""
    spec = importlib.util.spec_from_file_location("colour_model", _COLOUR_MODEL)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def exported(colour_model, tmp_path_factory):
    """Folder of an exported colour model. Copy it before changing anything."""
    return colour_model.save(tmp_path_factory.mktemp("exported") / "1")


@pytest.fixture(scope="module")
def object_store(tmp_path_factory):
    """Google Cloud Storage on loopback, for processes that get its environment."""
    import fake_gcs

    with fake_gcs.serving(tmp_path_factory.mktemp("object_store")) as store:
        yield store


@pytest.fixture
def gcs(object_store, monkeypatch):
    """Google Cloud Storage on loopback, for this process too."""
    for name, value in object_store.environment().items():
        monkeypatch.setenv(name, value)
    return object_store


@pytest.fixture
def bucket(gcs, request):
    """A folder of a bucket that no other test uses."""
    from foundation import artifact_paths

    return artifact_paths.of(f"gs://bucket/{request.node.name}")


@pytest.fixture(params=["folder", "bucket"])
def root(request, tmp_path):
    """A place for artifacts of either kind."""
    return tmp_path if request.param == "folder" else request.getfixturevalue("bucket")
