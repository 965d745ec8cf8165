import importlib.util
import pathlib

import pytest

_PATH = pathlib.Path(__file__).parents[1] / "colour_model.py"


@pytest.fixture(scope="session")
def colour_model():
    spec = importlib.util.spec_from_file_location("colour_model", _PATH)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def exported(colour_model, tmp_path_factory):
    """Folder of an exported colour model, shared by all tests."""
    return colour_model.save(tmp_path_factory.getbasetemp() / "exported_colour_model")
