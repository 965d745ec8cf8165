"""A module of ours as the statements it consists of, read and not imported."""

import ast
import dataclasses
import functools
import importlib.util
import pathlib
from collections.abc import Iterator

from pipeline.nodes import code_piece

PACKAGES = ("foundation", "model", "components", "pipeline", "schemas")
_Imports = ast.Import | ast.ImportFrom
_Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
_Assignment = ast.Assign | ast.AnnAssign | ast.AugAssign


@dataclasses.dataclass
class Module:
    """What a module holds at its top level.

    Attributes:
        package: dotted name of the package it is in; of a package, its own.
        definitions: functions, classes and variables, each with all statements that
            bind it.
        imports: names that imports bind, each with the dotted names it may stand for.
        loads: dotted names that importing the module makes Python look for.
        on_import: statements that may do something beside binding names.
        as_script: the statements for a module that is run and not imported.
    """

    name: str
    package: str
    path: pathlib.Path
    definitions: dict[str, list[code_piece.Piece]]
    imports: dict[str, list[str]]
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
    used = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    found = Module(name, package, path, {}, {}, [], [], [])
    for statement in code_piece.bare(tree).body:
        _sort(statement, found, used)
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


def _sort(statement: ast.stmt, found: Module, used: set[str]) -> None:
    """Adds a statement where it belongs.

    Args:
        used: the names that occur in the module, annotations included.
    """
    piece = code_piece.Piece(statement, found.package)
    names = list(_bound(statement))
    if isinstance(statement, _Imports):
        made = _add_imports(statement, found)
        # Nobody uses its name: somebody needs what importing it does.
        if any(each.bound not in used and not _is_ours(each.target) for each in made):
            found.on_import.append(piece)
    elif _is_for_type_checkers(statement):
        return
    elif _is_for_script(statement):
        found.as_script.append(piece)
    else:
        for name in names:
            found.definitions.setdefault(name, []).append(piece)
        if not _only_binds(statement):
            found.on_import.append(piece)
        for inner in _nested(statement):
            if isinstance(inner, _Imports):
                _add_imports(inner, found)


def _add_imports(statement: _Imports, found: Module) -> list[code_piece.Import]:
    made = list(code_piece.imports_of(statement, found.package))
    for each in made:
        found.imports.setdefault(each.bound, []).append(each.target)
        found.loads.append(each.loaded)
    return made


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


def _only_binds(statement: ast.stmt) -> bool:
    """Whether all there is to a statement are the names it binds."""
    if isinstance(statement, _Definition):
        return not code_piece.may_register(statement)
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
