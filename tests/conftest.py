"""Fixtures that tests of several folders share."""

import importlib.util
import pathlib

import pytest

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
