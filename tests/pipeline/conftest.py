import shutil

import pytest

from pipeline.toy import toy_coco


@pytest.fixture(scope="session")
def compiled_package(tmp_path_factory):
    """The demo compiled for Kubeflow with a password at hand, as a file."""
    import compiled_kfp

    from pipeline.cluster import kubeflow

    path = tmp_path_factory.mktemp("compiled") / "new" / "pipeline.yaml"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("M2F_METADATA_PASSWORD", "hunter2")
        kubeflow.compile_yaml(compiled_kfp.settings(), path)
    return path


@pytest.fixture(scope="session")
def compiled(compiled_package):
    import compiled_kfp

    return compiled_kfp.Compiled(compiled_package)


@pytest.fixture(scope="session")
def upstream():
    import compiled_kfp

    return compiled_kfp.upstream_by_tfx()


@pytest.fixture(scope="session")
def toy(tmp_path_factory):
    """A small toy dataset; tests that change it take `data`."""
    folder = tmp_path_factory.mktemp("toy") / "coco"
    return toy_coco.generate(folder, num_train=16, num_eval=4, size=64)


@pytest.fixture
def data(toy, tmp_path):
    return shutil.copytree(toy, tmp_path / "coco")
