import pytest

from components.coco_example_gen import quoting


@pytest.mark.parametrize(
    ("text", "longest", "wanted"),
    [
        ("abcdefghij", 10, "abcdefghij"),
        ("abcdefghijk", 10, "abcd...ijk"),
        ("abcdefghijk", 9, "abc...ijk"),
        ("", 9, ""),
    ],
)
def test_a_long_text_keeps_its_beginning_and_its_end(text, longest, wanted):
    assert quoting.short(text, longest) == wanted


def test_a_name_is_quoted_whole_unless_it_is_very_long():
    assert quoting.quoted("a'\n.png") == '"a\'\\n.png"'
    whole, long = "n" * 196 + ".png", "n" * 100_000 + ".png"
    assert quoting.quoted(whole) == repr(whole)
    told = quoting.quoted(long)
    assert len(told) == 202 and told.endswith("nnn.png'") and "nn...nn" in told
