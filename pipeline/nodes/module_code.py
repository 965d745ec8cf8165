"""A module of ours as the statements it consists of, read and not imported."""

import ast
import collections
import dataclasses
import functools
import importlib.util
import pathlib
from collections.abc import Iterator

from pipeline.nodes import bound_names, code_piece

PACKAGES = ("foundation", "model", "components", "pipeline", "schemas")
_Imports = ast.Import | ast.ImportFrom
_Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
_Assignment = ast.Assign | ast.AnnAssign | ast.AugAssign
_Literal = ast.Constant | ast.JoinedStr | ast.Dict | ast.List | ast.Set | ast.Tuple
# Builtins that change what they are given, or execute anything.
_ACTING = ("__import__", "delattr", "eval", "exec", "setattr")
_OF_PROPERTIES = ("deleter", "getter", "setter")


@dataclasses.dataclass
class Module:
    """What a module holds at its top level.

    Attributes:
        package: dotted name of the package it is in; of a package, its own.
        definitions: functions, classes and variables, each with all statements that
            bind it.
        imports: names that imports bind, each with the dotted names it may stand for,
            and these with their turn.
        loads: dotted names that importing the module makes Python look for.
        on_import: statements that may do something beside binding names.
        as_script: the statements for a module that is run and not imported.
    """

    name: str
    package: str
    path: pathlib.Path
    definitions: dict[str, list[code_piece.Piece]]
    imports: dict[str, dict[str, int]]
    loads: list[str]
    on_import: list[code_piece.Piece]
    as_script: list[code_piece.Piece]

    @property
    def is_package(self) -> bool:
        return self.name == self.package

    def submodules(self) -> list[str]:
        """Dotted names of the modules and packages in a package."""
        if not self.is_package:
            return []
        folder = self.path.parent
        names = {path.stem for path in folder.glob("*.py")} - {"__init__"}
        names |= {path.parent.name for path in folder.glob("*/__init__.py")}
        return [f"{self.name}.{name}" for name in sorted(names)]

    def data_files(self) -> Iterator[pathlib.Path]:
        """Files in the folder of a package that are no code, nor of a package in it."""
        yield from _data_below(self.path.parent)


@functools.cache
def read(name: str) -> Module | None:
    """The module of a dotted name; None when it is none of ours."""
    path = _source(name)
    if path is None:
        return None
    is_package = path.name == "__init__.py"
    package = name if is_package else name.rpartition(".")[0]
    tree = ast.parse(path.read_text(encoding="utf-8"))
    found = Module(name, package, path, {}, {}, [], [], [])
    sorter = _Sorter(tree, found)
    for statement in code_piece.bare(tree, sorter.names).body:
        sorter.add(statement)
    return found


def _source(name: str) -> pathlib.Path | None:
    top, *below = name.split(".")
    # Found from its top, nothing of it is imported.
    spec = importlib.util.find_spec(top) if top in PACKAGES else None
    if spec is None or not spec.submodule_search_locations:
        return None
    place = pathlib.Path(spec.submodule_search_locations[0], *below)
    for path in (place / "__init__.py", place.with_name(f"{place.name}.py")):
        if path.is_file():
            return path
    return None


def _data_below(folder: pathlib.Path) -> Iterator[pathlib.Path]:
    for path in folder.iterdir():
        if path.is_dir():
            is_apart = path.name == "__pycache__" or (path / "__init__.py").exists()
            yield from () if is_apart else _data_below(path)
        elif path.suffix not in (".py", ".pyc"):
            yield path


class _Sorter:
    """Adds statements to a module, each where it belongs and with its turn.

    Turns tell the order in which import executes what is reached. Imports that only
    give names share a turn with those beside them: their order is the linter's. No turn
    has a function that looks up nothing when it is defined and whose name nothing else
    binds. Every class has one, since its body is executed.
    """

    def __init__(self, tree: ast.Module, found: Module) -> None:
        """Takes the tree with all that is in it, annotations included."""
        self.names = bound_names.BoundNames(tree, found.package)
        self._found = found
        self._used = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
        self._bindings = collections.Counter(
            name for statement in tree.body for name in _all_bound(statement, found)
        )
        self._executed = 0

    def add(self, statement: ast.stmt) -> None:
        found = self._found
        if _is_for_type_checkers(statement):
            return
        piece = code_piece.Piece(statement, found.package, self._turn(statement))
        if isinstance(statement, _Imports):
            made = self._add_imports(statement, piece.turn)
            if any(self._is_for_effect(each) for each in made):
                found.on_import.append(piece)
        elif _is_for_script(statement):
            found.as_script.append(piece)
        else:
            for name in _bound(statement):
                found.definitions.setdefault(name, []).append(piece)
            if not _only_binds(statement, self.names):
                found.on_import.append(piece)
            for inner in _nested(statement):
                if isinstance(inner, _Imports):
                    self._add_imports(inner, piece.turn)

    def _turn(self, statement: ast.stmt) -> int:
        if isinstance(statement, _Imports) and self._only_names(statement):
            return 2 * self._executed + 1
        if self._stands_anywhere(statement):
            return 0
        self._executed += 1
        return 2 * self._executed

    def _only_names(self, statement: _Imports) -> bool:
        made = bound_names.imports_of(statement, self._found.package)
        return not any(
            self._is_for_effect(each) or self._bindings[each.bound] > 1 for each in made
        )

    def _stands_anywhere(self, statement: ast.stmt) -> bool:
        return (
            isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef)
            and self._bindings[statement.name] == 1
            and not self._bindings["*"]
            and not code_piece.may_register(statement, self.names)
            and not code_piece.evaluates_names(statement)
        )

    def _add_imports(self, statement: _Imports, turn: int) -> list[bound_names.Import]:
        made = list(bound_names.imports_of(statement, self._found.package))
        for each in made:
            self._found.imports.setdefault(each.bound, {})[each.target] = turn
            self._found.loads.append(each.loaded)
        return made

    def _is_for_effect(self, made: bound_names.Import) -> bool:
        """Whether nobody uses the name: somebody needs what importing it does."""
        is_unused = made.bound not in self._used and not _is_ours(made.target)
        return made.bound == "*" or is_unused


def _is_ours(target: str) -> bool:
    return target.partition(".")[0] in PACKAGES


def _is_for_script(statement: ast.stmt) -> bool:
    if not isinstance(statement, ast.If):
        return False
    return ast.unparse(statement.test) == "__name__ == '__main__'"


def _is_for_type_checkers(statement: ast.stmt) -> bool:
    if not isinstance(statement, ast.If) or statement.orelse:
        return False
    return ast.unparse(statement.test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING")


def _only_binds(statement: ast.stmt, names: bound_names.BoundNames) -> bool:
    """Whether all there is to a statement are the names it binds."""
    if any(_acts(called, names) for called in _called(statement)):
        return False
    if isinstance(statement, _Definition):
        return not code_piece.may_register(statement, names)
    if not isinstance(statement, _Assignment):
        return False
    targets = (
        statement.targets if isinstance(statement, ast.Assign) else [statement.target]
    )
    return not any(
        isinstance(node, ast.Attribute | ast.Subscript)
        for target in targets
        for node in ast.walk(target)
    )


def _acts(called: ast.expr, names: bound_names.BoundNames) -> bool:
    """Whether calling it executes code of ours that may leave something behind.

    Libraries are taken to leave nothing, and so are classes that only build.
    """
    root: ast.AST = called
    while isinstance(root, ast.Attribute | ast.Subscript | ast.Call):
        root = root.func if isinstance(root, ast.Call) else root.value
    if not isinstance(root, ast.Name):
        return not isinstance(root, _Literal)
    built = names.building_class(root.id) if root is called else None
    if built is not None and not code_piece.may_register(built, names):
        return False
    return any(
        target in (bound_names.OWN, *_ACTING) or _is_ours(target)
        for target in names.targets(root.id)
    )


def _called(statement: ast.stmt) -> Iterator[ast.expr]:
    """What a statement calls when it is executed, decorators of methods included."""
    waiting: list[ast.AST] = [statement]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Call):
            yield node.func
        if isinstance(node, _Definition) and node is not statement:
            for each in node.decorator_list:
                if getattr(each, "attr", "") not in _OF_PROPERTIES:
                    yield each
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            waiting.extend((*node.decorator_list, node.args))
        elif not isinstance(node, ast.Lambda):
            waiting.extend(ast.iter_child_nodes(node))


def _all_bound(statement: ast.stmt, found: Module) -> Iterator[str]:
    yield from _bound(statement)
    for node in _nested(statement):
        if isinstance(node, _Imports):
            for each in bound_names.imports_of(node, found.package):
                yield each.bound


def _bound(statement: ast.stmt) -> Iterator[str]:
    """The names that a statement binds in the module, but for those of imports."""
    for node in _nested(statement):
        if isinstance(node, _Definition):
            yield node.name
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id


def _nested(statement: ast.stmt) -> Iterator[ast.AST]:
    """The nodes of a statement, without those inside of functions and classes."""
    waiting: list[ast.AST] = [statement]
    while waiting:
        node = waiting.pop()
        yield node
        if not isinstance(node, (_Definition, ast.Lambda)):
            waiting.extend(ast.iter_child_nodes(node))
