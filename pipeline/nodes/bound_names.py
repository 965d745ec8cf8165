"""What the names of a module may stand for, told without importing it."""

import ast
import builtins
import dataclasses
from collections.abc import Iterator

# Stands for all that the module makes itself, or that cannot be told.
OWN = "(own)"
_Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
# A class with one of these may do more than build when it is called.
_MAKERS = ("__init__", "__new__", "__post_init__", "model_post_init")


@dataclasses.dataclass(frozen=True)
class Import:
    """One name of an import statement.

    Attributes:
        bound: the name it gets.
        target: dotted name of what is bound: `model` for `import model.loss.losses`.
        loaded: dotted name of what is looked for: `model.loss.losses`.
    """

    bound: str
    target: str
    loaded: str


class BoundNames:
    """All a module binds, at its top, in classes and in functions alike.

    Two things of equal name are not told apart: the name may stand for either.
    """

    def __init__(self, tree: ast.Module, package: str) -> None:
        """Takes a module in `package`."""
        self._targets: dict[str, set[str]] = {}
        self._classes: dict[str, ast.ClassDef] = {}
        for node in ast.walk(tree):
            if isinstance(node, ast.Import | ast.ImportFrom):
                for each in imports_of(node, package):
                    self._targets.setdefault(each.bound, set()).add(each.target)
            for name in _made(node):
                # Defined once, a class is known; by another definition no longer.
                is_first = name not in self._targets
                self._targets.setdefault(name, set()).add(OWN)
                if is_first and isinstance(node, ast.ClassDef):
                    self._classes[name] = node
                else:
                    self._classes.pop(name, None)

    def targets(self, dotted: str) -> set[str]:
        """Dotted names of what a name with attributes may stand for, or `OWN`."""
        root, dot, attributes = dotted.partition(".")
        is_builtin = hasattr(builtins, root) and "*" not in self._targets
        found = self._targets.get(root, {root} if is_builtin else {OWN})
        return {
            target if target == OWN else f"{target}{dot}{attributes}"
            for target in found
        }

    def building_class(self, name: str) -> ast.ClassDef | None:
        """The class a name stands for, if it leaves it to its bases how it is made."""
        node = self._classes.get(name)
        if node is None or self._targets[name] != {OWN} or node.keywords:
            return None
        made = {each.name for each in node.body if isinstance(each, _Definition)}
        return None if made.intersection(_MAKERS) else node


def imports_of(node: ast.Import | ast.ImportFrom, package: str) -> Iterator[Import]:
    """The names of an import statement in a module of `package`."""
    if isinstance(node, ast.Import):
        for alias in node.names:
            target = alias.name if alias.asname else alias.name.partition(".")[0]
            yield Import(alias.asname or target, target, alias.name)
        return
    above = package.split(".")[: len(package.split(".")) - node.level + 1]
    base = [".".join(above)] if node.level else []
    origin = ".".join([*base, *([node.module] if node.module else [])])
    for alias in node.names:
        target = f"{origin}.{alias.name}"
        yield Import(alias.asname or alias.name, target, target)


def _made(node: ast.AST) -> Iterator[str]:
    """The names that a node binds to something of the module's own."""
    if isinstance(node, _Definition):
        yield node.name
    elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
        yield node.id
    elif isinstance(node, ast.arg):
        yield node.arg
    elif isinstance(node, ast.ExceptHandler | ast.MatchAs | ast.MatchStar):
        if node.name:
            yield node.name
    elif isinstance(node, ast.MatchMapping) and node.rest:
        yield node.rest
