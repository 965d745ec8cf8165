"""What can be executed when a function or class of ours is used.

A definition at the top level of a module is reached when its name is an entry or is
used by what is reached. To use is to name, also under another name or as an attribute
of a module: of what decides which name is meant at run time, everything is reached.
- A function or class is reached as a whole, a variable with all statements that bind
  it; and with each of them every name in it, also one that a local variable hides.
- A module of ours that is passed on, or asked for a name it does not define, or
  imported with `*`, or named in a text (`-m model.train.train_worker`, `probe.py`), is
  reached as a whole; a package with all modules in it. So is a module that looks up
  its own names at run time, by `globals()`, `eval` or `sys.modules`.
- A module is loaded when something in it is reached, and then so are all modules of
  ours that it imports. Of a module that is loaded those statements are reached which
  do more than bind names: expressions, conditions and loops, what sets attributes or
  items, imports whose name is not used, definitions with a decorator that may record
  them, and what calls a function of ours for its value (`X = register("a", f)`). Any
  other assignment or class is taken to do no more than bind its names.
- Files of a package are reached by `files("package")` or `PackageLoader("package")`,
  and those beside a module by its `__file__`.
Reaching one of `TELLING` ends there. Not seen are names of other modules that are put
together at run time from texts, classes that only a base class keeps a list of, what a
library that is called for a value records of ours, and the order in which modules are
imported.
"""

import dataclasses
import hashlib
import itertools
from collections.abc import Mapping

from pipeline.nodes import code_piece, module_code

# These tell people what was done or how far it is, and decide nothing of what is stored
# in examples, models or verdicts: a change in them must not train again. The page of an
# ingestion that is not repeated stays as it was drawn. What words a message is no such
# module: the gate writes messages of problems into its verdict.
TELLING = (
    "components.coco_example_gen.report.report_page",
    "components.coco_example_gen.report.report_pictures",
    "components.coco_example_gen.report.report_tables",
    "foundation.console",
    "foundation.drawing",
    "foundation.html_page",
    "foundation.progress",
    "foundation.terminal_text",
    "model.train.expectations",
    "model.train.forecast",
)
# What stands for the statements of a module that have no name.
ON_IMPORT = "(on import)"
AS_SCRIPT = "(as script)"


@dataclasses.dataclass
class Reached:
    """What was found.

    Attributes:
        parts: by module or package, and name or file below it, the statements: for
            each its turn among those of the module, 0 where no order counts, and a text
            that changes when it does.
        libraries: modules of others that are used, without what is below them.
    """

    parts: dict[tuple[str, str], tuple[tuple[int, str], ...]] = dataclasses.field(
        default_factory=dict
    )
    libraries: set[str] = dataclasses.field(default_factory=set)


def reach(*entries: str) -> Reached:
    """Follows the names of modules to all they use.

    Args:
        entries: dotted names of functions and classes, and of modules run by -m.

    Raises:
        LookupError: one is no module of ours, nor defined by one.
    """
    walk = _Walk()
    for entry in entries:
        walk.enter(entry)
    walk.go_on()
    return walk.found


class _Walk:
    """The state of `reach`; `_waiting` are statements that are not followed yet."""

    def __init__(self) -> None:
        self.found = Reached()
        self._loaded: dict[str, module_code.Module | None] = {}
        self._resolved: set[tuple[str, ...]] = set()
        self._waiting: list[tuple[module_code.Module, code_piece.Piece]] = []

    def enter(self, entry: str) -> None:
        """Reaches a module as a whole, or what one defines."""
        if self.load(entry) is not None:
            self._resolve(tuple(entry.split(".")))
            return
        place, _, name = entry.rpartition(".")
        module = self.load(place)
        if module is None or name not in module.definitions:
            ours = module_code.PACKAGES
            raise LookupError(f"{entry} is no module of {ours}, nor defined by one")
        self.add(module, name)

    def go_on(self) -> None:
        """Follows what waits until nothing is left."""
        while self._waiting:
            module, piece = self._waiting.pop()
            self._follow(module, piece.uses)

    def load(self, name: str) -> module_code.Module | None:
        """Imports a module, and all it imports; None when it tells or is not ours."""
        if name in self._loaded:
            return self._loaded[name]
        module = None if name in TELLING else module_code.read(name)
        self._loaded[name] = module
        if module is not None:
            self._load_path(module.package)
            self._note(module, ON_IMPORT, module.on_import, {})
            for each in module.loads:
                self._load_path(each)
                if each.endswith(".*"):
                    self._resolve(tuple(each.split(".")[:-1]))
        return module

    def add(self, module: module_code.Module, name: str) -> None:
        """Reaches a name of a module; what an import gives it is left to `_resolve`."""
        pieces = module.definitions.get(name, [])
        self._note(module, name, pieces, module.imports.get(name, {}))

    def _note(
        self,
        module: module_code.Module,
        name: str,
        pieces: list[code_piece.Piece],
        targets: Mapping[str, int],
    ) -> None:
        key = (module.name, name)
        if key not in self.found.parts and (pieces or targets):
            bound = [(turn, target) for target, turn in targets.items()]
            said = [(piece.turn, piece.digest) for piece in pieces]
            self.found.parts[key] = (*bound, *said)
            self._waiting.extend((module, piece) for piece in pieces)

    def _load_path(self, dotted: str) -> None:
        """Loads `a`, `a.b` and so on, as far as these are modules."""
        for name in itertools.accumulate(dotted.split("."), "{}.{}".format):
            if self.load(name) is None:
                return

    def _follow(self, module: module_code.Module, uses: code_piece.Uses) -> None:
        own = tuple(module.name.split("."))
        if uses.any_name:
            self._resolve(own)
        for each in uses.imports:
            self._load_path(each.loaded)
            if each.loaded.partition(".")[0] not in module_code.PACKAGES:
                self.found.libraries.add(each.loaded.partition(".")[0])
        for root, *attributes in uses.chains:
            inner = [each.target for each in uses.imports if each.bound == root]
            self.add(module, root)
            for target in {*inner, *module.imports.get(root, ())}:
                meant = (*target.split("."), *attributes)
                self._resolve(own if meant[:2] == ("sys", "modules") else meant)
        for text in uses.texts:
            self._follow_text(module, text)
        for package in uses.data:
            self._add_files(package or module.package)

    def _resolve(self, parts: tuple[str, ...]) -> None:
        """Reaches what `a.b.c` stands for, of which the first parts are modules."""
        if parts in self._resolved:
            return
        self._resolved.add(parts)
        if parts[0] not in module_code.PACKAGES:
            self.found.libraries.add(parts[0])
            return
        module = self.load(parts[0])
        for index, name in enumerate(parts[1:], start=1):
            if module is None:
                return
            is_known = name in module.definitions or name in module.imports
            self.add(module, name)
            for target in module.imports.get(name, ()):
                self._resolve((*target.split("."), *parts[index + 1 :]))
            below = f"{module.name}.{name}"
            if module_code.read(below) is None:
                if not is_known:
                    self._add_whole(module)
                return
            module = self.load(below)
        if module is not None:
            self._add_whole(module)

    def _add_whole(self, module: module_code.Module) -> None:
        for name in (*module.definitions, *module.imports):
            self.add(module, name)
        for target in itertools.chain.from_iterable(module.imports.values()):
            if not module_code.read(target):  # else it is followed where it is used
                self._resolve(tuple(target.split(".")))
        self._note(module, AS_SCRIPT, module.as_script, {})
        if module.is_package:
            self._add_files(module.name)
        for name in module.submodules():
            self._resolve(tuple(name.split(".")))

    def _follow_text(self, module: module_code.Module, text: str) -> None:
        """Reaches the module that a text names, if it names one."""
        stem, _, suffix = text.rpartition(".")
        if suffix == "py" and module_code.read(f"{module.package}.{stem}"):
            self._resolve((*module.package.split("."), stem))
        else:
            parts = tuple(text.split("."))
            if module_code.read(".".join(parts[:2])):
                self._resolve(parts)

    def _add_files(self, package: str) -> None:
        module = self.load(package)
        if module is None:
            return
        for path in module.data_files():
            place = path.relative_to(module.path.parent).as_posix()
            digest = hashlib.sha256(path.read_bytes()).hexdigest()
            self.found.parts[package, place] = ((0, digest),)
