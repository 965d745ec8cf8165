import pytest
import small_package

USED = "def value(): return 1\ndef other(): return 1\n"
CHANGED = USED.replace("value(): return 1", "value(): return 2")
UNUSED_CHANGED = USED.replace("other(): return 1", "other(): return 2")


@pytest.fixture
def package(tmp_path, monkeypatch):
    return small_package.make(tmp_path, monkeypatch)


@pytest.mark.parametrize(
    "effect",
    [
        "print({})",
        "TABLE['a'] = {}",
        "config.value = {}",
        "config.value, x = {}",
        "TABLE['a'] += {}",
        "if {}: print()",
        "for _ in range({}): print()",
        "with f({}): print()",
        "try:\n    print({})\nfinally: pass",
        "while f({}): pass",
        "assert f({})",
        "del TABLE[{}]",
        "import lib{}",
        "from lib import plugin{}",
        "from lib{} import *",
        "@lib.register({})\ndef f(): pass",
        "@lib.register({})\nclass F: pass",
        "if TYPE_CHECKING:\n    x = 1\nelse:\n    print({})",
        "def own(x): pass\nX = own({})",
        "def own(x): pass\nX: int = own({})",
        "def own(x): pass\nX, Y = [own({})], 1",
        "def own(x): pass\nX = lib.made(own({}))",
        "def own(x): pass\ndef f(x=own({})): pass",
        "def own(x): pass\nclass F:\n    x = own({})",
        "def own(x): pass\nclass F:\n    def f(self, x=own({})): pass",
        "def own(x): pass\nclass F:\n    @own\n    def f(self): return {}",
        "from digested import middle\nX = middle.own({})",
        "from digested.middle import own\nX = own({})",
        "import lib\nX = 1\nX = own({})\nfrom digested.middle import own",
        "TABLE = []\nX = TABLE.append({})",
        "class Own:\n    def __init__(self, x): pass\nX = Own({})",
        "class Own(metaclass=Other): pass\nX = Own({})",
        "@lib.record\nclass Own: pass\nX = Own({})",
        "X = setattr(lib, 'a', {})",
        "from digested import middle as functools\n@functools.cache\n"
        "def f(): return {}",
        "from digested.middle import own as property\n@property\ndef f(): return {}",
        "def property(f): pass\n@property\ndef f(): return {}",
    ],
)
def test_what_a_module_does_when_it_is_imported_counts(package, effect):
    """Also when nothing of it is used, and it is imported by another module."""
    package.write(
        top="from digested import middle\ndef run(): return 1\n",
        middle="from digested import used\n",
        used=effect.format(1),
    )
    assert package.changes(used=effect.format(2))


@pytest.mark.parametrize(
    "definition",
    [
        "VALUE = {}",
        "VALUE: int = {}",
        "VALUE, OTHER = {}, 1",
        "VALUE = 1\nVALUE += {}",
        "__all__ = ['a{}']",
        "def f(): return {}",
        "class F:\n    x = {}",
        "import functools\n@functools.lru_cache({})\ndef f(): pass",
        "import dataclasses\n@dataclasses.dataclass\nclass F:\n    x: int = {}",
        "if TYPE_CHECKING:\n    import lib{}",
        "import lib{0}\ndef f(): return lib{0}.x",
        "import lib\nVALUE = lib.made({})",
        "import lib\nVALUE = lib.Made('a')[0].made({})",
        "VALUE = int('{}')",
        "VALUE = 'a {}'.split()",
        "VALUE = lambda: own({})",
        "class Own:\n    x: int = 1\nVALUE = Own({})",
        "class Own: pass\nclass F:\n    value: Own = Own({})",
        "class F:\n    @property\n    def x(self): return {}\n"
        "    @x.setter\n    def x(self, new): pass",
        "from functools import lru_cache\n@lru_cache({})\ndef f(): pass",
        "import functools as f\n@f.cache\ndef g(): return {}",
        "'''A text {}.'''",
    ],
)
def test_what_an_imported_module_defines_and_nobody_uses_does_not(package, definition):
    top = "from digested import used\ndef run(): return 1\n"
    package.write(top=top, used=definition.format(1))
    assert not package.changes(used=definition.format(2))


IN_TURN = [
    ("Y = 1", "Z = Y", "Y = 2", "def run(): return Z"),
    ("L = [1]", "M = list(L)", "L.append(2)", "def run(): return M"),
    ("L = [1]", "class M: x = list(L)", "L.append(2)", "def run(): return M"),
    ("Y = 1", "def run(a=Y): return a", "Y = 2", ""),
    ("Y = 1", "def run(*, a=Y): return a", "Y = 2", ""),
    ("Y = 1", "@functools.lru_cache(Y)\ndef run(): pass", "Y = 2", ""),
    ("Y = 1", "@lib.kept(Y)\ndef run(): pass", "Y = 2", ""),
    ("def f(): pass", "X = f", "def f(): return 2", "def run(): return X"),
    ("def f(): pass", "f = f(1)", "f = f(2)", "def run(): return f"),
    ("", "from .used import value", "used.value = 2", "def run(): return value()"),
    ("", "from .used import value", "from .more import value", "run = value"),
    ("", "from .used import *", "from .more import *", "run = value"),
    ("", "from .used import *", "def value(): pass", "def run(): return value()"),
    ("", "import plugin", "import another", "def run(): pass"),
    ("", "import plugin", "print()", "def run(): pass"),
    ("", "@lib.kept\ndef run(): pass", "print()", ""),
]


@pytest.mark.parametrize(("first", "one", "other", "last"), IN_TURN)
def test_the_order_of_what_import_executes_counts(package, first, one, other, last):
    start = f"import functools\nimport lib\nfrom digested import used\n{first}\n"
    package.write(top=f"{start}{one}\n{other}\n{last}\n", used=USED, more=USED)
    assert package.changes(top=f"{start}{other}\n{one}\n{last}\n")


ANY_ORDER = [
    ("def run(): return f()", "def f(): return 1"),
    ("def run(): return Y", "Y = 1"),
    ("def run(): return C", "class C: pass"),
    ("def run(): return 1", "print(1)"),
    ("def run(a=(), *, b=None): return Y", "Y = 1"),
    ("@functools.lru_cache(3)\ndef run(): return Y", "Y = 1"),
    ("def run(): return lib.x(used)", "from digested import used"),
    ("from digested import used", "import lib"),
    ("IDLE = 1", "Y = 2"),
    ("class Idle: pass", "print(2)"),
]


@pytest.mark.parametrize(("one", "other"), ANY_ORDER)
def test_where_it_makes_no_difference_the_order_does_not_count(package, one, other):
    start = "import functools\n"
    end = "" if "def run" in one else "def run(): return lib.x(used, Y)\n"
    package.write(top=f"{start}{one}\n{other}\n{end}", used=USED)
    assert not package.changes(top=f"{start}{other}\n{one}\n{end}")


def test_what_runs_on_import_is_followed(package):
    package.write(
        top="from digested import middle\ndef run(): return 1\n",
        middle="from digested import used\nprint(used.value())\n",
        used=USED,
    )
    assert not package.changes(used=UNUSED_CHANGED)
    assert package.changes(used=CHANGED)


@pytest.mark.parametrize(
    "top",
    [
        "import digested.used\ndef run(): return 1\n",
        "import digested.used as x\ndef run(): return 1\n",
        "from digested import used\ndef run(): return 1\n",
        "from digested.used import value\ndef run(): return 1\n",
        "def run():\n    import digested.used\n",
        "def run():\n    from digested import used\n",
    ],
)
def test_whatever_way_a_module_is_imported_what_it_does_then_counts(package, top):
    package.write(top=top, used="print(1)\n")
    assert package.changes(used="print(2)\n")


def test_a_module_that_only_an_unused_function_imports_is_not_loaded(package):
    package.write(
        top="def idle():\n    from digested import used\ndef run(): return 1\n",
        used="print(1)\n",
    )
    assert not package.changes(used="print(2)\n")


def test_the_package_of_a_module_is_loaded_with_it(package):
    package.write(top="def run(): return 1\n")
    before = package.digest()
    package.write_init('"""What it holds."""\n\n__all__ = ["top"]\n')
    assert package.digest() == before
    package.write_init("print(1)\n")
    assert package.digest() != before


def test_what_a_package_offers_under_its_own_name_counts(package):
    package.write_init("from digested.used import value, other\n")
    package.write(top="import digested\ndef run(): digested.value()\n", used=USED)
    assert not package.changes(used=UNUSED_CHANGED)
    assert package.changes(used=CHANGED)


def test_one_more_name_that_a_package_offers_changes_nothing(package):
    package.write_init("from digested import used\n")
    package.write(top="from digested import used\ndef run(): used.value()\n", used=USED)
    package.write(more="X = 1\n")
    before = package.digest()
    package.write_init("from digested import more, used\n\n__all__ = ['used']\n")
    assert package.digest() == before


def test_what_a_module_does_when_it_is_run_counts_only_when_it_is(package):
    source = "X = 1\nif __name__ == '__main__':\n    print({})\n"
    top = "from digested import used\ndef run(): return used.{}\n"
    package.write(top=top.format("X"), used=source.format(1))
    assert not package.changes(used=source.format(2))
    package.write(top=top.format("__file__"))
    assert package.changes(used=source.format(1))


FILES = ("a.json", "deep/b.html", "inner/c.json", "code.pyc", "__pycache__/d.txt")


@pytest.mark.parametrize(
    "body",
    [
        'return files("digested.sub") / "a.json"',
        'return resources.files("digested.sub").joinpath("a.json")',
        'return jinja2.PackageLoader("digested.sub")',
        'return pkgutil.get_data("digested.sub", "a.json")',
        "return used.named()",
        "return used.located()",
    ],
)
def test_files_of_a_package_count_where_they_are_read_and_its_code_does_not(
    package, body
):
    package.write(
        top=f"from digested.sub import used\ndef run(): {body}\n",
        sub__used="def named(): return files(__name__)\n"
        "def located(): return pathlib.Path(__file__).parent\n",
        sub__inner__idle="X = 1\n",
    )
    for name in FILES:
        path = package.folder / "sub" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("1")
    assert package.reached()["sub"] == {"a.json", "deep/b.html"}
    assert "sub.inner.idle" not in package.reached()
    before = package.digest()
    (package.folder / "sub" / "inner" / "c.json").write_text("2")
    assert package.digest() == before
    (package.folder / "sub" / "deep" / "b.html").write_text("2")
    assert package.digest() != before


def test_files_beside_code_that_does_not_read_them_do_not_count(package):
    package.write(top="def run(): return open('other').files('x')\n")
    (package.folder / "template.html").write_text("1")
    assert package.reached() == {"top": {"run"}}


def test_nothing_is_imported(package):
    package.write_init("raise OSError\n")
    package.write(top="raise OSError\ndef run(): pass\n")
    assert package.digest()
