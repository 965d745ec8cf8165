import ast

import pytest

from pipeline.nodes import bound_names


def names(source):
    return bound_names.BoundNames(ast.parse(source), "ours.below")


@pytest.mark.parametrize(
    ("source", "dotted", "targets"),
    [
        ("import functools", "functools.cache", {"functools.cache"}),
        ("import functools as f", "f.cache", {"functools.cache"}),
        ("from functools import cache as c", "c", {"functools.cache"}),
        ("import a.b", "a.b.c", {"a.b.c"}),
        ("from . import a", "a.b", {"ours.below.a.b"}),
        ("from ..more import a", "a.b", {"ours.more.a.b"}),
        ("import a\nfrom b import c as a", "a.x", {"a.x", "b.c.x"}),
        ("def f():\n    from b import a", "a", {"b.a"}),
        ("", "property", {"property"}),
        ("", "unheard.of", {"(own)"}),
        ("from a import *", "property", {"(own)"}),
        ("def property(f): pass", "property", {"(own)"}),
        ("def f(property): pass", "property", {"(own)"}),
        ("class property: pass", "property", {"(own)"}),
        ("for property in x: pass", "property.a", {"(own)"}),
        ("try: pass\nexcept OSError as property: pass", "property", {"(own)"}),
        ("match x:\n    case [*property]: pass", "property", {"(own)"}),
        ("match x:\n    case {**property}: pass", "property", {"(own)"}),
        ("match x:\n    case property: pass", "property", {"(own)"}),
        ("import a\na = 1", "a.b", {"a.b", "(own)"}),
    ],
)
def test_a_name_stands_for_all_that_may_be_bound_to_it(source, dotted, targets):
    assert names(source).targets(dotted) == targets


def test_a_class_that_leaves_its_making_to_its_bases_only_builds():
    found = names("class A(B):\n    x: int = 1\n    def f(self): pass\n")
    assert found.building_class("A").name == "A"


@pytest.mark.parametrize(
    "source",
    [
        "class A:\n    def __init__(self): pass",
        "class A:\n    def __post_init__(self): pass",
        "class A(metaclass=M): pass",
        "class A: pass\nA = 1",
        "A = 1\nclass A: pass",
        "class A: pass\nfrom a import A",
        "class A: pass\nclass A: pass",
        "def A(): pass",
        "from a import A",
        "",
    ],
)
def test_of_anything_else_it_is_not_known(source):
    assert names(source).building_class("A") is None
