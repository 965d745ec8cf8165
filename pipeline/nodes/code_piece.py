"""A statement as what is executed of it, and what that uses.

Left out is what is not executed: comments, formatting, docstrings, `pass`, and the
annotations of variables and functions. Beam reads those of a function that it maps,
but only to check types and to choose how values travel. Kept are annotations in the
body of a class, which dataclasses, pydantic and msgspec build upon, and those of a
function with a decorator that is not known: it may read them. So code that takes
docstrings or annotations for data (`__doc__`, `typing.get_type_hints`) is not seen to
change with them.
"""

import ast
import dataclasses
import functools
import hashlib
from collections.abc import Iterable

from pipeline.nodes import bound_names

# Where they are defined. They record nothing outside of what they decorate, and read no
# annotation. Keras looks for a registered class only when it loads a file of its own,
# which no node does.
_PLAIN_DECORATORS = (
    "classmethod",
    "contextlib.contextmanager",
    "dataclasses.dataclass",
    "functools.cache",
    "functools.cached_property",
    "functools.lru_cache",
    "functools.wraps",
    "keras.saving.register_keras_serializable",
    "property",
    "staticmethod",
    "tensorflow.custom_gradient",
    "tensorflow.function",
)
_OWN_PLACE = ("__file__", "__package__", "__path__", "__spec__")
_READING_DATA = (
    *("PackageLoader", "files", "get_data"),
    *("open_binary", "open_text", "read_binary", "read_text"),
)
_IMPORTING = ("__import__", "import_module", "run_module")
# They reach names of the module they stand in that are not written down.
_NAMING_ANY = ("eval", "exec", "globals", "locals", "vars")


@dataclasses.dataclass(frozen=True)
class Uses:
    """What a statement uses, whichever branch is taken.

    Attributes:
        chains: names with the attributes that follow, `losses.focal` as two texts.
        imports: made inside of the statement.
        texts: that may name a module, as `-m` takes it or as a file.
        data: packages whose files are read; empty for the module's own.
        any_name: whether any name of the module may be meant, as by `globals()`.
    """

    chains: frozenset[tuple[str, ...]]
    imports: tuple[bound_names.Import, ...]
    texts: frozenset[str]
    data: frozenset[str]
    any_name: bool


class Piece:
    """A statement of a tree that went through `bare`.

    Attributes:
        turn: orders it among the statements of its module; 0 where no order counts.
    """

    def __init__(self, node: ast.stmt, package: str, turn: int) -> None:
        """Takes a statement of a module in `package`."""
        self.turn = turn
        self._node = node
        self._package = package

    @functools.cached_property
    def digest(self) -> str:
        """Hexadecimal digits that stand for what the statement says."""
        return hashlib.sha256(ast.dump(self._node).encode()).hexdigest()

    @functools.cached_property
    def uses(self) -> Uses:
        """What the statement uses."""
        found = _Collector(self._package)
        found.visit(self._node)
        return Uses(
            frozenset(found.chains),
            tuple(found.imports),
            frozenset(found.texts),
            frozenset(found.data),
            found.any_name,
        )


def bare(tree: ast.Module, names: bound_names.BoundNames) -> ast.Module:
    """Takes out of a tree what is not executed."""
    return _Stripper(names).visit(tree)


def may_register(
    node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef,
    names: bound_names.BoundNames,
) -> bool:
    """Whether decorators may leave the definition where others find it."""
    targets = set().union(*(names.targets(_dotted(d)) for d in node.decorator_list))
    return not targets <= {*_PLAIN_DECORATORS}


def evaluates_names(node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """Whether a bare function that registers nothing looks up names when defined."""
    calls = [each for each in node.decorator_list if isinstance(each, ast.Call)]
    evaluated: list[ast.AST | None] = [*node.args.defaults, *node.args.kw_defaults]
    for call in calls:
        evaluated += [*call.args, *call.keywords]
    return any(
        isinstance(each, ast.Name)
        for value in evaluated
        if value is not None
        for each in ast.walk(value)
    )


def _dotted(node: ast.expr) -> str:
    """`a.b` of `a.b` and of `a.b(...)`."""
    return ast.unparse(node.func if isinstance(node, ast.Call) else node)


def _is_own_name(node: ast.expr | None) -> bool:
    return isinstance(node, ast.Name) and node.id == "__name__"


class _Stripper(ast.NodeTransformer):
    """Changes the tree in place."""

    def __init__(self, names: bound_names.BoundNames) -> None:
        self._names = names
        self._in_class = False

    def visit_Expr(self, node: ast.Expr) -> ast.Expr | None:
        return None if isinstance(node.value, ast.Constant) else node

    def visit_Pass(self, node: ast.Pass) -> None:
        return None

    def visit_FunctionDef(
        self, node: ast.FunctionDef | ast.AsyncFunctionDef
    ) -> ast.AST:
        if not may_register(node, self._names):
            node.returns = None
            for argument in _arguments(node.args):
                argument.annotation = None
        return self._visit_body(node, in_class=False)

    visit_AsyncFunctionDef = visit_FunctionDef

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        return self._visit_body(node, in_class=True)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.stmt:
        if self._in_class:
            return node
        if node.value is not None:
            return ast.Assign([node.target], node.value)
        node.annotation = ast.Constant(None)
        return node

    def _visit_body(self, node: ast.stmt, in_class: bool) -> ast.AST:
        outer, self._in_class = self._in_class, in_class
        self.generic_visit(node)
        self._in_class = outer
        return node


def _arguments(arguments: ast.arguments) -> Iterable[ast.arg]:
    several = [arguments.vararg, arguments.kwarg]
    named = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    return [*named, *(each for each in several if each is not None)]


class _Collector(ast.NodeVisitor):
    """Gathers what `Uses` holds. Names are not told from local ones of equal name."""

    def __init__(self, package: str) -> None:
        self._package = package
        self.chains: set[tuple[str, ...]] = set()
        self.imports: list[bound_names.Import] = []
        self.texts: set[str] = set()
        self.data: set[str] = set()
        self.any_name = False

    def visit_Name(self, node: ast.Name) -> None:
        if not isinstance(node.ctx, ast.Store):
            self.chains.add((node.id,))
        if node.id in _OWN_PLACE:
            self.data.add("")

    def visit_Global(self, node: ast.Global) -> None:
        self.chains.update((name,) for name in node.names)

    def visit_Attribute(self, node: ast.Attribute) -> None:
        attributes = [node.attr]
        while isinstance(node.value, ast.Attribute):
            node = node.value
            attributes.insert(0, node.attr)
        if isinstance(node.value, ast.Name):
            self.chains.add((node.value.id, *attributes))
        else:
            self.visit(node.value)

    def visit_Import(self, node: ast.Import | ast.ImportFrom) -> None:
        self.imports.extend(bound_names.imports_of(node, self._package))

    visit_ImportFrom = visit_Import

    def visit_Constant(self, node: ast.Constant) -> None:
        text = node.value if isinstance(node.value, str) else ""
        parts = text.split(".")
        if len(parts) > 1 and all(part.isidentifier() for part in parts):
            self.texts.add(text)

    def visit_Call(self, node: ast.Call) -> None:
        if isinstance(node.func, ast.Name) and node.func.id in _NAMING_ANY:
            self.any_name = True
        called = _dotted(node).rpartition(".")[2]
        first = node.args[0] if node.args else None
        text = first.value if isinstance(first, ast.Constant) else None
        if called in _IMPORTING and isinstance(text, str):
            self.texts.add(text)
        if called in _IMPORTING and _is_own_name(first):
            self.any_name = True
        if called in _READING_DATA and isinstance(text, str):
            self.data.add(text)
            node = ast.Call(node.func, node.args[1:], node.keywords)
        elif called in _READING_DATA and _is_own_name(first):
            self.data.add("")
        self.generic_visit(node)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        """In the body of a class, a text may be an annotation as well."""
        for each in ast.walk(node.annotation):
            if isinstance(each, ast.Constant) and isinstance(each.value, str):
                self._visit_source(each.value)
        self.generic_visit(node)

    def _visit_source(self, text: str) -> None:
        try:
            self.visit(ast.parse(text, mode="eval"))
        except (SyntaxError, ValueError):
            return
