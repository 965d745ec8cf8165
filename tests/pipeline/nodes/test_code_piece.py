import pytest
import small_package


@pytest.fixture
def package(tmp_path, monkeypatch):
    return small_package.make(tmp_path, monkeypatch)


BEFORE = '''
"""What this module is for."""
from digested import used

LIMIT = 1000


def run(first, *, second=LIMIT):
    """Runs."""
    total = first + second
    return used.value(total, "ab")
'''


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("a comment", "    total =", "    # Why.\n    total ="),
        ("the docstring", '"""Runs."""', '"""Runs, and says more."""'),
        ("the module's docstring", '"""What this', '"""Now this'),
        ("no docstring", '    """Runs."""\n', ""),
        ("a docstring on its own", '"""Runs."""', '"""Runs."""\n    pass'),
        ("empty lines", "    return", "\n\n    return"),
        ("brackets and quotes", '"ab")', "('a' 'b'),\n    )"),
        ("how a number is written", "1000", "1_000"),
        ("annotations", "first, *, second=", "first: int, *, second: int | None ="),
        ("what is returned", "LIMIT):", "LIMIT) -> int:"),
        ("a variable's annotation", "total =", "total: int ="),
        ("a constant's annotation", "LIMIT = ", "LIMIT: int = "),
    ],
)
def test_what_is_not_executed_changes_nothing(package, name, old, new):
    package.write(top=BEFORE, used="def value(*a): return a\n")
    assert BEFORE.count(old) == 1, name
    assert not package.changes(top=BEFORE.replace(old, new))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("first + second", "first - second"),
        ("1000", "1001"),
        ("*, second", "second"),
        ('"ab"', '"abc"'),
        ("second=LIMIT", "second=None"),
        ("    total =", "    print()\n    total ="),
        ("def run", "async def run"),
    ],
)
def test_what_is_executed_changes_the_digest(package, old, new):
    package.write(top=BEFORE, used="def value(*a): return a\n")
    assert package.changes(top=BEFORE.replace(old, new))


def test_where_a_definition_stands_in_its_module_changes_nothing(package):
    parts = ["def run(): return helper()\n", "def helper(): return 1\n"]
    package.write(top="".join(parts))
    assert not package.changes(top="".join(reversed(parts)))


def test_annotations_in_the_body_of_a_class_count(package):
    source = "class Row:\n    def f(self): pass\n    value: {}\n\ndef run(): Row()\n"
    package.write(top=source.format("int"))
    assert package.changes(top=source.format("float"))


def test_annotations_in_a_condition_in_the_body_of_a_class_count(package):
    source = "class Row:\n    if True:\n        value: {} = 1\n\ndef run(): Row()\n"
    package.write(top=source.format("int"))
    assert package.changes(top=source.format("float"))


def test_annotations_in_a_method_do_not_count(package):
    source = """
        class Row:
            def value(self, number{0}){1}:
                result{0} = number
                return result

            async def later(self, number{0}){1}:
                return number

        def run(): return Row()
        """
    package.write(top=source.format("", ""))
    assert not package.changes(top=source.format(": int", " -> int"))


def test_annotations_under_a_decorator_that_may_read_them_count(package):
    source = "import lib\n\n@lib.checked\ndef run(number: {}): return number\n"
    package.write(top=source.format("int"))
    assert package.changes(top=source.format("float"))


def test_what_only_an_annotation_names_is_not_reached(package):
    source = "from digested import used\n\ndef run(x: used.A) -> used.A: return x\n"
    package.write(top=source, used="class A: pass\n")
    assert set(package.reached()) == {"top"}


@pytest.mark.parametrize("annotation", ["used.A", "list[used.A]", '"used.A | None"'])
def test_what_the_annotation_of_a_field_names_is_reached(package, annotation):
    package.write(
        top=f"""
        from digested import used

        class Row:
            value: {annotation}

        def run(): return Row
        """,
        used="class A: x = 1\nclass B: x = 1\n",
    )
    assert package.reached()["used"] == {"A"}


def test_a_text_in_an_annotation_need_not_be_code(package):
    package.write(top="class Row:\n    value: 'not code'\n\ndef run(): Row()\n")
    assert package.reached() == {"top": {"run", "Row"}}
