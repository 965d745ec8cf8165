"""The floor plan of ARCHITECTURE.md, held against the code.

Files are read, nothing of ours is imported. Lists of exceptions name what is not as it
should be; an entry that is no longer needed fails, too, so these lists only shrink.
"""

import ast
import fnmatch
import functools
import graphlib
import pathlib
import re

import pytest

ROOT = pathlib.Path(__file__).parents[1]
STOREYS = ("foundation", "model", "components", "pipeline")  # imports go downwards
MODULES_IN_A_FOLDER, LINES_OF_A_FILE, LINES_OF_A_FUNCTION = 25, 300, 40

# Nobody imports these from outside: they are started by the name in a text.
ENTRY_POINTS = {
    "components.coco_evaluator.executor": "TFX runs it; the code digest starts here",
    "components.coco_example_gen.executor": "TFX runs it; the code digest starts here",
    "components.data_gate.executor": "TFX runs it; the code digest starts here",
    "components.serving_validator.executor": "TFX runs it; the code digest starts here",
    "model.train.train_worker": "python -m, in the pods that train along",
    "pipeline.cluster.run_node": "python -m, in every container on Kubeflow",
    "pipeline.cluster.run_vertex": "python -m, in every container on Vertex AI",
    "pipeline.nodes.beam_runner": "Beam finds its runner by the name in an argument",
}
# Thin shells, by the part they play in TFX.
MAY_IMPORT_TFX = {
    "components.*.component": "contract of a node",
    "components.*.driver": "what a node decides before the cache is asked",
    "components.*.executor": "unpacks artifacts, calls the core, records results",
    "model.run_fn": "TFX's Trainer calls it",
    "pipeline.graph": "the nodes and how they hang together",
    "pipeline.local.run_local": "runner for one machine",
    "pipeline.nodes.*_resolver": "a strategy of TFX's Resolver",
}
TFX_EXCEPTIONS = {
    "components.artifact_types": "an artifact type is a subclass of TFX's",
    "components.data_gate.drift": "TFX stands in for a part of tfx-bsl that TFDV needs",
    "pipeline.cluster.kubeflow": "compiles the graph to see its nodes and edges",
    "pipeline.cluster.node_process": "puts the run id in where TFX's compiler left it",
    "pipeline.cluster.run_preparation": "registers the types and contexts of all nodes",
    "pipeline.cluster.vertex": "hands the graph to TFX's runner for Vertex AI",
    "pipeline.compiled_graph": "calls TFX's compiler",
    "pipeline.metadata.metadata_handle": "a subclass of TFX's handle",
    "pipeline.nodes.beam_operator": "a subclass of TFX's operator",
    "pipeline.nodes.executions": "reads the protos and names that TFX records",
    "pipeline.nodes.ir": "reads and writes the proto that TFX compiles to",
    "pipeline.nodes.node_launch": "calls TFX's launcher",
    "pipeline.tools.data_statistics": "TFX stands in for what TFDV needs, as in drift",
}
LONG_FILES: set[str] = set()
LONG_FUNCTIONS: set[str] = set()
WITHOUT_A_TEST_FILE = """
components artifact_types
components.atomic_pusher component
components.coco_evaluator component evaluator_settings
components.coco_example_gen component
components.coco_example_gen.read annotation_kinds class_names consistency json_faults
components.coco_example_gen.read layout_finders picture_formats readers split_names
components.data_gate component judgement
components.serving_validator component
foundation config_section errors
model config
model.examples epochs
model.kernels sampling_layout
model.train train_worker
pipeline.cli data_cli kubeflow_cli
pipeline.cluster kubeflow_names node_process vertex_checks
pipeline compiled_graph locations
pipeline.metadata metadata_handle
pipeline.nodes clean_up
pipeline.settings run_config
"""


@functools.cache
def modules():
    """Dotted name -> path of every module and package of the storeys."""
    paths = [path for top in STOREYS for path in (ROOT / top).rglob("*.py")]
    return {_dotted(path): path for path in paths}


def _dotted(path):
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def is_package(name):
    return modules()[name].name == "__init__.py"


def package_of(name):
    return name if is_package(name) else name.rpartition(".")[0]


def packages():
    return sorted(filter(is_package, modules()))


@functools.cache
def tree(name):
    return ast.parse(modules()[name].read_text(encoding="utf-8"))


def imported_names(name):
    """Dotted names in the import statements of a module, inside of functions too."""
    for node in ast.walk(tree(name)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name}: imports are absolute"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@functools.cache
def arrows():
    """Pairs of a module and one of ours it imports; a name stands for its module."""
    return {
        (name, target if target in modules() else target.rpartition(".")[0])
        for name in modules()
        for target in imported_names(name)
        if target.partition(".")[0] in STOREYS
    }


def crossing():
    """The arrows from one package to another."""
    return {(one, two) for one, two in arrows() if package_of(one) != package_of(two)}


def told(pairs):
    return "\n".join(sorted(f"{one} imports {two}" for one, two in pairs))


def compared(found, listed):
    """What is not as it should be and not listed, and what is listed for nothing."""
    lines = [f"{name}: not on the list" for name in sorted(found - set(listed))]
    lines += [f"{name}: take it off the list" for name in sorted(set(listed) - found)]
    return "\n".join(lines)


def face(package):
    """`__all__` of a package."""
    (found,) = (
        ast.literal_eval(statement.value)
        for statement in tree(package).body
        if isinstance(statement, ast.Assign) and statement.targets[0].id == "__all__"
    )
    return found


def circle(pairs):
    """Names that lead back to the first of them; empty when there is no such way."""
    after = {one: {other for each, other in pairs if each == one} for one, _ in pairs}
    try:
        graphlib.TopologicalSorter(after).prepare()
    except graphlib.CycleError as error:
        return error.args[1]
    return []


def test_every_import_of_ours_names_a_module():
    known = set(modules()) - set(packages())
    unknown = told(pair for pair in arrows() if pair[1] not in known)
    assert not unknown, unknown


@pytest.mark.parametrize("package", [*packages(), "schemas"])
def test_a_package_says_what_it_is_for_and_imports_nothing(package):
    source = ROOT.joinpath(*package.split("."), "__init__.py").read_text()
    docstring = ast.get_docstring(ast.parse(source)) or ""
    assert 3 <= len(docstring.splitlines()) <= 8
    assert not re.search(r"^(from|import) ", source, re.MULTILINE)


def test_other_packages_are_used_by_their_faces_only():
    past = told(
        (one, two)
        for one, two in crossing()
        if two.rpartition(".")[2] not in face(package_of(two))
    )
    assert not past, past


@pytest.mark.parametrize("package", packages())
def test_a_face_shows_what_others_use_and_nothing_else(package):
    open_ones = {used for _, used in crossing()} | set(ENTRY_POINTS)
    wanted = [name for name in open_ones if package_of(name) == package]
    wanted = sorted(name.rpartition(".")[2] for name in wanted)
    assert face(package) == wanted, f"{package}: __all__ = {wanted}"


def test_entry_points_are_named_in_a_text_and_imported_by_no_other_package():
    named = {
        entry
        for name in modules()
        for node in ast.walk(tree(name))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
        for entry in ENTRY_POINTS
        if f"{node.value}.".startswith(f"{entry}.")
    }
    assert named - {used for _, used in crossing()} == set(ENTRY_POINTS)


def test_imports_go_downwards():
    def storey(name):
        return STOREYS.index(name.partition(".")[0])

    upwards = told(pair for pair in arrows() if storey(pair[0]) < storey(pair[1]))
    assert not upwards, upwards


def test_modules_do_not_import_each_other_in_a_circle():
    assert not (found := circle(arrows())), " <- ".join(found)


def test_packages_do_not_import_each_other_in_a_circle_but_for_those_inside():
    pairs = {(package_of(one), package_of(two)) for one, two in crossing()}
    inside = {
        (one, two)
        for one, two in pairs
        if f"{one}.".startswith(f"{two}.") or f"{two}.".startswith(f"{one}.")
    }
    assert not (found := circle(pairs - inside)), " <- ".join(found)


def test_only_thin_shells_import_tfx():
    users = {
        name
        for name in modules()
        if any(each.partition(".")[0] == "tfx" for each in imported_names(name))
    }
    shells = {
        pattern: {name for name in users if fnmatch.fnmatchcase(name, pattern)}
        for pattern in MAY_IMPORT_TFX
    }
    assert [pattern for pattern, found in shells.items() if not found] == []
    others = users.difference(*shells.values())
    assert not (wrong := compared(others, TFX_EXCEPTIONS)), wrong


def test_no_folder_holds_too_many_modules():
    held = {name: modules()[name].parent.glob("[!_]*.py") for name in packages()}
    counts = {name: len(list(files)) for name, files in held.items()}
    assert {n for n, count in counts.items() if count > MODULES_IN_A_FOLDER} == set()


def test_no_file_is_too_long():
    lines = {name: len(p.read_text().splitlines()) for name, p in modules().items()}
    long = {name for name, count in lines.items() if count > LINES_OF_A_FILE}
    assert not (wrong := compared(long, LONG_FILES)), wrong


def test_no_function_is_too_long():
    found = {
        f"{name}.{node.name}"
        for name in modules()
        for node in ast.walk(tree(name))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.end_lineno - node.lineno + 1 > LINES_OF_A_FUNCTION
    }
    assert not (wrong := compared(found, LONG_FUNCTIONS)), wrong


def test_every_module_has_a_test_file_at_the_same_place():
    lacking = {
        name
        for name, path in modules().items()
        for place in [path.relative_to(ROOT).with_name(f"test_{path.name}")]
        if not path.name.startswith("__") and not (ROOT / "tests" / place).is_file()
    }
    lines = (line.split() for line in WITHOUT_A_TEST_FILE.strip().splitlines())
    listed = {f"{package}.{name}" for package, *names in lines for name in names}
    assert not (wrong := compared(lacking, listed)), wrong


@pytest.mark.parametrize("page", ["ARCHITECTURE.md", "CONTRIBUTING.md"])
def test_every_path_on_a_page_exists_and_holds_the_name_beside_it(page):
    text = (ROOT / page).read_text(encoding="utf-8")
    spans = re.findall(r"`([\w.*/-]*(?:/|\.(?:py|md|toml|yaml|in|txt))[\w.*-]*)`", text)
    tops = "|".join(re.escape(path.name) for path in ROOT.iterdir() if path.is_dir())
    words = re.findall(rf"(?<![\w./<])(?:{tops})/[\w.*/-]*[\w*/]", text)
    links = [link for link in re.findall(r"\]\(([^)#\s]+)", text) if ":" not in link]
    paths = {*spans, *words, *links}
    assert len(paths) > 20
    assert sorted(path for path in paths if not any(ROOT.glob(path))) == []
    for path, name in re.findall(r"`([\w/]+\.py)`\s\(`(\w+)`", text):
        assert re.search(rf"\b{name}\b", (ROOT / path).read_text()), f"{path}: {name}"
