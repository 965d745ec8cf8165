"""The floor plan of ARCHITECTURE.md, held against the code.

Files are read, nothing of ours is imported. There are no lists of exceptions: what does
not fit is to be changed.
"""

import ast
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
    "model.tune_fn": "TFX's Tuner calls it; the code digest starts here",
    "model.train.train_worker": "python -m, in the pods that train along",
    "pipeline.cluster.run_node": "python -m, in every container on Kubeflow",
    "pipeline.cluster.run_vertex": "python -m, in every container on Vertex AI",
    "pipeline.nodes.beam_runner": "Beam finds its runner by the name in an argument",
}


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


def test_no_folder_holds_too_many_modules():
    held = {name: modules()[name].parent.glob("[!_]*.py") for name in packages()}
    counts = {name: len(list(files)) for name, files in held.items()}
    assert {n for n, count in counts.items() if count > MODULES_IN_A_FOLDER} == set()


def test_no_file_is_too_long():
    lines = {name: len(p.read_text().splitlines()) for name, p in modules().items()}
    long = {name for name, count in lines.items() if count > LINES_OF_A_FILE}
    assert sorted(long) == []


def test_no_function_is_too_long():
    found = {
        f"{name}.{node.name}"
        for name in modules()
        for node in ast.walk(tree(name))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.end_lineno - node.lineno + 1 > LINES_OF_A_FUNCTION
    }
    assert sorted(found) == []


def test_every_module_has_a_test_file_at_the_same_place():
    lacking = {
        name
        for name, path in modules().items()
        for place in [path.relative_to(ROOT).with_name(f"test_{path.name}")]
        if not path.name.startswith("__") and not (ROOT / "tests" / place).is_file()
    }
    assert sorted(lacking) == []


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
