import sys

import pytest

from pipeline import code_digest


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package `digested` of two modules, one importing the other."""
    folder = tmp_path / "digested"
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    (folder / "top.py").write_text("from digested import used\n")
    (folder / "used.py").write_text("VALUE = 1\n")
    (folder / "unused.py").write_text("VALUE = 1\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(code_digest, "PACKAGES", ("digested",))
    yield folder
    for name in [name for name in sys.modules if name.startswith("digested")]:
        del sys.modules[name]


def digest() -> str:
    code_digest.of_module.cache_clear()
    return code_digest.of_module("digested.top")


def test_an_unchanged_tree_has_the_same_digest(package):
    assert digest() == digest()


def test_a_change_in_an_imported_module_changes_the_digest(package):
    before = digest()
    (package / "used.py").write_text("VALUE = 2\n")
    assert digest() != before


def test_a_change_in_a_module_that_is_not_imported_does_not(package):
    before = digest()
    (package / "unused.py").write_text("VALUE = 2\n")
    assert digest() == before


def test_a_template_beside_the_module_counts(package):
    before = digest()
    (package / "templates").mkdir()
    (package / "templates" / "report.html").write_text("<p>")
    assert digest() != before


def test_training_does_not_depend_on_the_command_line():
    modules = code_digest._closure("model.run_fn")
    assert "model.mask2former" in modules
    assert "model.losses" in modules
    assert "pipeline.cli" not in modules
    assert "pipeline.graph" not in modules


def test_the_probe_that_runs_in_its_own_process_is_part_of_the_digest():
    modules = code_digest._closure("components.serving_validator.executor")
    assert "components.serving_validator.probe" in modules
