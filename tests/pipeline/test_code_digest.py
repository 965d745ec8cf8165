import importlib.metadata
import sys

import pytest

from pipeline import code_digest

# Imported by nodes, and whatever their version, the node writes the same: messages
# that libraries of the digest define, and the check of a configuration that is part of
# the cache key itself.
DECIDE_NOTHING = {"google", "pydantic", "tensorflow_metadata"}


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


@pytest.mark.parametrize(
    "node",
    [
        "components.coco_evaluator.executor",
        "components.coco_example_gen.executor",
        "components.data_gate.executor",
        "components.serving_validator.executor",
        "model.preprocessing",
        "model.run_fn",
    ],
)
def test_every_library_that_decides_what_a_node_writes_is_part_of_the_digest(node):
    sources = code_digest._closure(node).values()
    imported = set().union(
        *(code_digest._imports(path) for path in sources if path.suffix == ".py")
    )
    outer = {name.partition(".")[0] for name in imported}
    outer -= {*sys.stdlib_module_names, *code_digest.PACKAGES, *DECIDE_NOTHING}
    assert "tensorflow" in outer
    distributions = importlib.metadata.packages_distributions()
    missing = [
        name
        for name in outer
        if not {each.lower().replace("_", "-") for each in distributions[name]}
        & set(code_digest._LIBRARIES)
    ]
    assert missing == []


def test_another_version_of_a_library_changes_the_digest(package, monkeypatch):
    before = digest()
    version = importlib.metadata.version
    monkeypatch.setattr(
        importlib.metadata,
        "version",
        lambda name: "9.9" if name == "tensorflow-data-validation" else version(name),
    )
    assert digest() != before
