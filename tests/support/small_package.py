"""A package `digested` of small modules, of which code digests are made."""

import textwrap

from pipeline.nodes import code_digest, module_code


class SmallPackage:
    """Its module `top` defines `run`, where digests start."""

    def __init__(self, folder):
        self.folder = folder

    def write(self, **sources):
        """Writes modules; `sub__name` is the module `name` of the package `sub`."""
        for name, source in sources.items():
            path = self.folder.joinpath(*name.split("__")).with_suffix(".py")
            if not path.parent.is_dir():
                path.parent.mkdir()
                (path.parent / "__init__.py").write_text("")
            path.write_text(textwrap.dedent(source))
        _forget()

    def write_init(self, source):
        (self.folder / "__init__.py").write_text(textwrap.dedent(source))
        _forget()

    def digest(self, module="top", *names):
        _forget()
        entries = [f"digested.{module}.{name}" for name in names or ("run",)]
        return code_digest.of_entries(*entries)

    def reached(self):
        """Names by module, without the package's name before them."""
        _forget()
        found = code_digest.reached("digested.top.run")
        return {name.removeprefix("digested."): parts for name, parts in found.items()}

    def libraries(self):
        _forget()
        return code_digest.libraries("digested.top.run")

    def changes(self, **sources):
        """Whether the digest is another one when these modules are written."""
        before = self.digest()
        self.write(**sources)
        return self.digest() != before


def make(tmp_path, monkeypatch):
    """The package with an empty `__init__`, and nothing else of ours beside it."""
    folder = tmp_path / "digested"
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(module_code, "PACKAGES", ("digested",))
    return SmallPackage(folder)


def _forget():
    module_code.read.cache_clear()
    code_digest.of_entries.cache_clear()
