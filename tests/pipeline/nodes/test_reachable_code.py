import pytest
import small_package

from pipeline.nodes import module_code, reachable_code

USED = "def value(): return 1\ndef other(): return 1\n"
CHANGED = USED.replace("value(): return 1", "value(): return 2")
UNUSED_CHANGED = USED.replace("other(): return 1", "other(): return 2")


@pytest.fixture
def package(tmp_path, monkeypatch):
    return small_package.make(tmp_path, monkeypatch)


@pytest.mark.parametrize(
    "top",
    [
        "from digested import used\ndef run(): return used.value()",
        "from digested import used as x\ndef run(): return x.value()",
        "import digested.used\ndef run(): return digested.used.value()",
        "import digested.used as x\ndef run(): return x.value()",
        "from digested.used import value\ndef run(): return value()",
        "from digested.used import value as v\ndef run(): return v()",
        "from . import used\ndef run(): return used.value()",
        "from .used import value\ndef run(): return value()",
        "def run():\n    from digested import used\n    return used.value()",
        "def run():\n    import digested.used as x\n    return x.value()",
        "def run():\n    from digested.used import value as v\n    return v()",
        "from digested import used\ndef run(f=used.value): return f()",
        "from digested import used\nrun = used.value",
        "from digested import used\nrun: object = used.value",
        "from digested import used\nrun, more = used.value, 1",
        "from digested import used\nrun = []\nrun += [used.value]",
        "from digested import used\nrun = [used.value]\nrun += [1]",
        "from digested import used\nrun = {'a': used.value}",
        "from digested import used\nrun = [used.value() for _ in ()]",
        "from digested import used\nif True:\n    run = used.value",
        "from digested import used\nfor run in [used.value]: pass",
        "from digested import used\nwith used.value() as run: pass",
        "from digested import used\nif True:\n    def run(): used.value()",
        "try:\n    from digested import used\nexcept ImportError:\n    used = None\n"
        "def run(): return used.value()",
        "from digested import used\nF = {'a': used.value}\ndef run(): return F['a']()",
        "from digested import used\nA = used.value\ndef run(): return call(*A, **A)",
        "from digested import used\n@used.value\ndef run(): pass",
        "from digested import used\nclass run(used.value): pass",
        "from digested import used\nclass run(metaclass=used.value): pass",
        "from digested import used\nclass run:\n    field = used.value()",
        "from digested import used\nclass run:\n    @used.value\n    def f(self): pass",
        "from digested import used\nclass run:\n    def f(self): used.value()",
        "from digested import used\nclass Base:\n    def f(self): used.value()\n"
        "class Mine(Base): pass\ndef run(): return Mine().f()",
        "from digested import used\nrun = lambda: f'{used.value()}'",
        "from digested import used\nasync def run(): await used.value()",
        "from digested import used\ndef run():\n    def inner(): used.value()",
        "from digested import used\n_x = None\ndef helper(): return used.value()\n"
        "_x = helper\ndef run():\n    global _x\n    _x = 1",
    ],
)
def test_whatever_way_a_function_is_used_it_counts_and_no_other_does(package, top):
    package.write(top=f"{top}\n", used=USED)
    assert not package.changes(used=UNUSED_CHANGED)
    assert package.changes(used=CHANGED)


def test_what_is_used_by_what_is_used_counts(package):
    package.write(
        top="from digested import middle\ndef run(): return middle.value()\n",
        middle="from digested import used\ndef value(): return used.value()\n"
        "def idle(): return used.other()\n",
        used=USED,
    )
    assert not package.changes(used=UNUSED_CHANGED)
    assert package.changes(used=CHANGED)


def test_a_module_is_found_through_another_that_imports_it(package):
    package.write(
        top="from digested import middle\ndef run(): return middle.used.value()\n",
        middle="from digested import used\n",
        used=USED,
    )
    assert not package.changes(used=UNUSED_CHANGED)
    assert package.changes(used=CHANGED)


def test_two_imports_that_change_names_change_the_digest(package):
    source = "from digested.used import value as {}, other as {}\ndef run(): a(b())\n"
    package.write(top=source.format("a", "b"), used=USED)
    assert package.changes(top=source.format("b", "a"))


def test_another_library_under_the_same_name_changes_the_digest(package):
    source = "import {} as np\n\ndef run(): return np.zeros(3)\n"
    package.write(top=source.format("numpy"))
    assert package.libraries() == {"numpy"}
    assert package.changes(top=source.format("nampi"))


def test_functions_that_call_each_other_are_followed_once(package):
    package.write(
        top="from digested import used\ndef run(): return used.back()\n",
        used="from digested import top\ndef back(): return top.run()\n",
    )
    parts = {"top": {"run", "used"}, "used": {"back", "top"}}
    assert package.reached() == parts


@pytest.mark.parametrize(
    "body",
    [
        "return call(used)",
        "return getattr(used, name)",
        "return used.made_up",
        "return used.__dict__",
        'return [python, "-m", "digested.used"]',
        'return importlib.import_module("digested.used")',
        'return importlib.import_module("digested")',
        'return "digested.used.made_up"',
        'return pathlib.Path("x").with_name("used.py")',
    ],
)
def test_of_a_module_that_is_passed_on_or_named_everything_counts(package, body):
    package.write(top=f"from digested import used\n\ndef run(): {body}\n", used=USED)
    assert package.changes(used=UNUSED_CHANGED)


@pytest.mark.parametrize(
    "body",
    [
        "return globals()[name]",
        "return vars()[name]",
        "return eval(name)",
        "return getattr(sys.modules[__name__], name)",
        "return getattr(modules[__name__], name)",
        "return importlib.import_module(__name__)",
        "import sys as s\n    return s.modules",
    ],
)
def test_of_a_module_that_looks_up_its_own_names_everything_counts(package, body):
    imports = "import sys\nfrom sys import modules\n"
    package.write(
        top="from digested import used\ndef run(): return used.pick('other')\n",
        used=f"{imports}{USED}def pick(name):\n    {body}\n",
    )
    assert package.changes(
        used=f"{imports}{UNUSED_CHANGED}def pick(name):\n    {body}\n"
    )


@pytest.mark.parametrize("body", ["eval = 1\n    return eval", "return x.eval()"])
def test_a_name_that_only_sounds_like_it_looks_up_nothing(package, body):
    package.write(top=f"def other(): return 1\ndef run():\n    {body}\n")
    assert package.reached() == {"top": {"run"}}


def test_everything_of_a_module_is_also_what_it_imports_by_name(package):
    package.write(
        top="from digested import face\ndef run(name): return getattr(face, name)\n",
        face="from digested.used import value\n",
        used=USED,
    )
    assert not package.changes(used=UNUSED_CHANGED)
    assert package.changes(used=CHANGED)


def test_a_module_that_is_passed_on_does_not_pass_on_those_it_imports(package):
    package.write(
        top="from digested import face\ndef run(): return call(face)\n",
        face="from digested import used\ndef value(): return used.value()\n",
        used=USED,
    )
    assert package.reached()["used"] == {"value"}


def test_a_library_that_is_imported_inside_of_a_function_is_named(package):
    package.write(top="def run():\n    import lib.a\n    from lob import b\n")
    assert package.libraries() == {"lib", "lob"}


def test_of_a_package_that_is_passed_on_all_modules_count(package):
    top = "from digested import sub\ndef run(name): return getattr(sub, name)\n"
    package.write(top=top, sub__deep="X = 1\n", sub__sub__deeper="X = 1\n")
    (package.folder / "sub" / "sub" / "data.json").write_text("{}")
    assert package.reached() == {
        "top": {"run", "sub"},
        "sub.deep": {"X"},
        "sub.sub.deeper": {"X"},
        "sub.sub": {"data.json"},
    }


def test_a_text_that_names_no_module_reaches_nothing(package):
    package.write(top='def run(): return ["digested.x", "digested", "x.py", "a.b"]\n')
    assert package.reached() == {"top": {"run"}}


def test_names_of_a_star_import_are_found(package):
    top = "from digested.used import *\ndef run(): return value()\n"
    package.write(top=top, used=USED)
    assert package.changes(used=CHANGED)


def test_what_tells_is_not_followed(package, monkeypatch):
    monkeypatch.setattr(reachable_code, "TELLING", ("digested.page",))
    package.write(
        top="""
        from digested import page, used

        def run():
            page.write(used.value())
        """,
        page="from digested import colours, used\nprint(used.other(), colours.red())\n",
        colours="print(1)\ndef red(): return 1\n",
        used=USED,
    )
    assert not package.changes(page="print(2)\n", colours="print(2)\n")
    assert not package.changes(used=UNUSED_CHANGED)
    assert package.changes(used=CHANGED)


def test_everything_of_a_package_is_without_what_tells(package, monkeypatch):
    monkeypatch.setattr(reachable_code, "TELLING", ("digested.sub.page",))
    top = "from digested import sub\ndef run(): return call(sub)\n"
    package.write(top=top, sub__page="X = 1\n", sub__used="X = 1\n")
    assert set(package.reached()) == {"top", "sub.used"}


def test_every_module_that_tells_exists():
    """A renamed one would no longer end the walk, and train again."""
    assert all(module_code.read(name) for name in reachable_code.TELLING)


def test_an_exception_counts_where_it_is_raised(package):
    errors = "class One(Exception): pass\nclass Two(Exception): pass\n"
    package.write(
        top="from digested import errors\ndef run(): raise errors.One('no')\n",
        errors=errors,
    )
    assert not package.changes(errors=f"# Why.\n{errors}\nclass Three(One): x = 1\n")
    assert not package.changes(errors=errors.replace("Two(Exception)", "Two(OSError)"))
    assert package.changes(errors=errors.replace("One(Exception)", "One(OSError)"))


@pytest.mark.parametrize("names", [("gone",), ("run", "gone"), ("used",)])
def test_an_entry_that_is_not_defined_is_an_error(package, names):
    package.write(top="from digested import used\ndef run(): pass\n", used=USED)
    with pytest.raises(LookupError, match=r"digested\.top\.(gone|used) is no module"):
        reachable_code.reach(*(f"digested.top.{name}" for name in names))


@pytest.mark.parametrize("entry", ["json.dumps", "json"])
def test_an_entry_in_no_module_of_ours_is_an_error(package, entry):
    with pytest.raises(LookupError, match=rf"{entry} is no module of \('digested',\)"):
        reachable_code.reach(entry)


def test_several_entries_are_reached_together(package):
    package.write(top="def run(): return 1\n", other="def more(): return 1\n")
    found = reachable_code.reach("digested.top.run", "digested.other.more")
    assert set(found.parts) == {("digested.top", "run"), ("digested.other", "more")}


def test_an_entry_that_is_run_is_reached_as_a_whole(package):
    source = "def main(): pass\nif __name__ == '__main__':\n    main()\n"
    package.write(top=source)
    found = reachable_code.reach("digested.top")
    assert {part for _, part in found.parts} == {"main", "(as script)"}
