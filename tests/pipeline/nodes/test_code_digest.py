import ast
import importlib.metadata
import pathlib
import sys

import pytest
import small_package

from pipeline.nodes import code_digest, module_code

# Used by nodes, and whatever their version, the node writes the same: messages that
# libraries of the digest define, and the check of a configuration that is part of the
# cache key itself.
DECIDE_NOTHING = {"google", "pydantic", "tensorflow_metadata"}


@pytest.fixture
def package(tmp_path, monkeypatch):
    made = small_package.make(tmp_path, monkeypatch)
    made.write(
        top="from digested import used\n\ndef run(): return used.value()\n",
        used="def value(): return 1\n",
    )
    return made


def test_an_unchanged_tree_has_the_same_digest(package):
    assert package.digest() == package.digest()


def test_a_digest_is_sixteen_hexadecimal_digits(package):
    assert len(package.digest()) == 16
    assert int(package.digest(), 16) > 0


def test_a_change_in_what_is_reached_changes_the_digest(package):
    assert package.changes(used="def value(): return 2\n")


def test_a_change_in_what_is_not_reached_does_not(package):
    assert not package.changes(used="def value(): return 1\ndef other(): pass\n")


def test_another_entry_has_another_digest(package):
    package.write(top="def run(): return 1\ndef walk(): return 1\n")
    digests = {package.digest("top", *names) for names in ({"run"}, {"walk"})}
    assert len(digests | {package.digest("top", "run", "walk")}) == 3


def test_a_file_that_is_read_changes_the_digest(package):
    package.write(top="def run(): return files('digested') / 'schema.json'\n")
    (package.folder / "schema.json").write_text("{}")
    before = package.digest()
    (package.folder / "schema.json").write_text("[]")
    assert package.digest() != before


@pytest.mark.parametrize("library", ["tensorflow-data-validation", "tfx-bsl"])
def test_another_version_of_a_library_changes_the_digest(package, monkeypatch, library):
    before = package.digest()
    version = importlib.metadata.version
    monkeypatch.setattr(
        importlib.metadata,
        "version",
        lambda name: "9.9" if name == library else version(name),
    )
    assert package.digest() != before


@pytest.mark.parametrize("node", code_digest.ENTRIES)
def test_every_library_that_decides_what_a_node_writes_is_part_of_the_digest(node):
    outer = code_digest.libraries(*code_digest.ENTRIES[node])
    outer -= {*sys.stdlib_module_names, *DECIDE_NOTHING}
    assert "tensorflow" in outer
    distributions = importlib.metadata.packages_distributions()
    missing = [
        name
        for name in outer
        if not {each.lower().replace("_", "-") for each in distributions[name]}
        & set(code_digest._LIBRARIES)
    ]
    assert missing == []


def test_every_library_of_the_digest_is_used_by_a_node():
    """All but the one that a library uses on our behalf."""
    used = set().union(
        *(code_digest.libraries(*entry) for entry in code_digest.ENTRIES.values())
    )
    distributions = importlib.metadata.packages_distributions()
    owners = {each for name in used for each in distributions.get(name, ())}
    owners = {each.lower().replace("_", "-") for each in owners}
    assert set(code_digest._LIBRARIES) - owners == {"tfx-bsl"}


def test_the_graph_asks_for_the_digest_of_every_node_there_is_one_of():
    asked = [
        ast.literal_eval(node.args[0])
        for name in ("pipeline.graph", "pipeline.node_settings")
        for node in ast.walk(
            ast.parse(pathlib.Path(module_code.read(name).path).read_text())
        )
        if isinstance(node, ast.Call) and ast.unparse(node.func).endswith(".of_node")
    ]
    assert sorted(asked) == sorted(code_digest.ENTRIES)


def test_the_probe_that_runs_in_its_own_process_is_part_of_the_digest():
    found = code_digest.reached(*code_digest.ENTRIES["ServingValidator"])
    probe = module_code.read("components.serving_validator.probe")
    everything = {*probe.definitions, *probe.imports, "(as script)"}
    assert found["components.serving_validator.probe"] == everything


def test_training_covers_its_network_and_losses():
    found = code_digest.reached(*code_digest.ENTRIES["Trainer"])
    assert "Mask2Former" in found["model.network.mask2former"]
    assert "point_dice" in found["model.loss.losses"]


def test_training_covers_what_the_pods_that_train_along_run():
    found = code_digest.reached(*code_digest.ENTRIES["Trainer"])
    worker = module_code.read("model.train.train_worker")
    everything = {*worker.definitions, *worker.imports, "(as script)"}
    assert found["model.train.train_worker"] == everything
    assert "wait_for_call" in found["model.train.cluster"]


def test_a_digest_is_of_the_driver_only_what_the_executor_uses():
    found = code_digest.reached(*code_digest.ENTRIES["CocoExampleGen"])
    driver = found["components.coco_example_gen.driver"]
    assert driver == {"dataset_root", "dataset_roots", "pathlib"}
