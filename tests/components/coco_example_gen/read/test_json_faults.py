"""What is said of a file whose structure is that of two small tables."""

import json
import pathlib
from typing import Annotated, ClassVar

import msgspec
import pytest

from components.coco_example_gen.read import json_faults

PATH = pathlib.Path("a.json")


class Row(msgspec.Struct, kw_only=True):
    id: Annotated[int, msgspec.Meta(ge=1)]
    box: list[float | None] | None = None
    text: str = ""


class Named(msgspec.Struct, kw_only=True):
    name: Annotated[str, msgspec.Meta(pattern=json_faults.NOT_BLANK)]


class Wanted(json_faults.Tables):
    FORMAT: ClassVar[str] = "small"
    rows: list[Row]
    names: list[Named]


def refusal(content):
    """What decoding raises."""
    with pytest.raises(Exception) as refused:  # noqa: B017, PT011  of three kinds
        msgspec.json.decode(content, type=Wanted, strict=False)
    return refused.value


def explain(content):
    content = content if isinstance(content, bytes) else content.encode()
    return json_faults.explain(PATH, content, Wanted, refusal(content))


def faults(rows=(), names=()):
    """The lines for the faults of rows and names, without what stands around them."""
    text = json.dumps({"rows": list(rows), "names": list(names)})
    heading, *lines = explain(text).splitlines()
    number = "one fault" if len(lines) == 1 else f"{len(lines)} faults"
    assert heading == f"a.json: not the small format; the annotations have {number}:"
    return [line.strip() for line in lines]


@pytest.mark.parametrize(
    ("row", "fault"),
    [
        (3, "rows[1]: Expected object, got 3"),
        ({}, "rows[1].id: missing"),
        ({"id": "one"}, 'rows[1].id: Expected int, got "one"'),
        ({"id": 0}, "rows[1].id: Expected int >= 1, got 0"),
        ({"id": None}, "rows[1].id: Expected int, got null"),
        (
            {"id": 1, "box": [1, 2, [], 4]},
            "rows[1].box[2]: Expected float | null, got [1, 2, [], 4]",
        ),
        (
            {"id": 1, "text": ["x" * 99]},
            f'rows[1].text: Expected str, got ["{"x" * 58}...',
        ),
    ],
)
def test_a_fault_is_named_with_its_place_and_value(row, fault):
    assert faults([{"id": 1}, row, {"id": 2}]) == [fault]


def test_a_value_is_shown_up_to_sixty_bytes_and_in_one_line():
    whole = "x" * 58  # and two quotes
    assert faults([{"id": whole}]) == [f'rows[0].id: Expected int, got "{whole}"']
    assert faults([{"id": f"{whole}x"}])[0].endswith(f'got "{whole}x...')
    text = '{"rows": [{"id": [1,\n\n   2]}], "names": []}'
    assert explain(text).endswith("rows[0].id: Expected int, got [1, 2]")


def test_faults_of_all_tables_and_keys_are_listed_in_the_order_of_the_structure():
    found = faults([{"id": 0, "text": 5}, {"id": 1}, {"text": 6}], [{"name": 7}, []])
    assert found == [
        "rows[0].id: Expected int >= 1, got 0",
        "rows[0].text: Expected str, got 5",
        "rows[2].id: missing",
        "rows[2].text: Expected str, got 6",
        "names[0].name: Expected str, got 7",
        "names[1]: Expected object, got []",
    ]


@pytest.mark.parametrize("name", ["", " ", " \u00a0"])
def test_a_blank_name_is_refused_in_words_not_by_a_pattern(name):
    (fault,) = faults(names=[{"name": name}])
    assert fault.startswith("names[0].name: Expected str that is not blank, got ")


@pytest.mark.parametrize(
    ("content", "lines"),
    [
        ({"rows": None, "names": []}, ["rows: Expected array, got null"]),
        ({"names": []}, ["rows: missing"]),
        ({}, ["rows: missing", "names: missing"]),
        ({"rows": {"id": 1}, "names": 3}, ["rows: Expected array", "names: Expected"]),
    ],
)
def test_a_table_that_is_none_is_named(content, lines):
    found = explain(json.dumps(content)).splitlines()[1:]
    assert len(found) == len(lines)
    for line, wanted in zip(found, lines, strict=True):
        assert line.strip().startswith(wanted)


def test_the_first_twenty_of_many_faults_are_listed():
    rows = [{"id": -number} for number in range(1, 31)]
    message = explain(json.dumps({"rows": rows, "names": []}))
    assert "the annotations have 30 faults:" in message
    lines = message.splitlines()[1:]
    assert lines[0].strip() == "rows[0].id: Expected int >= 1, got -1"
    assert lines[19].strip() == "rows[19].id: Expected int >= 1, got -20"
    assert [line.strip() for line in lines[20:]] == ["... and 10 more"]


def test_texts_that_are_not_utf_8_are_named_beside_other_faults():
    content = b'{"rows": [{"id": 0}, {"id": 1, "text": "\xf1"}], "names": []}'
    assert isinstance(refusal(content), msgspec.ValidationError)
    lines = [line.strip() for line in explain(content).splitlines()[1:]]
    assert lines[0] == "rows[0].id: Expected int >= 1, got 0"
    assert lines[1].startswith("rows[1].text: 'utf-8' codec")
    alone = content.replace(b'"id": 0', b'"id": 9')
    assert isinstance(refusal(alone), UnicodeDecodeError)
    assert "rows[1].text: 'utf-8' codec" in explain(alone)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[]", "holds a list, wanted an object with images"),
        (' \n"rows"', "holds a text, wanted an object"),
        ("3", "holds a number or a word, wanted an object"),
        ("null", "holds a number or a word, wanted an object"),
    ],
)
def test_what_is_no_object_is_named_by_what_it_is(text, message):
    assert explain(text).startswith(f"a.json: not COCO: {message}")


@pytest.mark.parametrize(
    ("text", "line", "column"),
    [
        ("{not json", 1, 2),
        ('{"rows": [],\n\n "x": nope}', 3, 8),  # up to its o, it could be null
        ('{"rows": 3,\n\n "x": nope}', 3, 8),  # behind what has another structure
        ("\n?", 2, 1),
    ],
)
def test_what_does_not_parse_is_told_by_line_and_column(text, line, column):
    message = explain(text)
    assert message.startswith("a.json: not JSON: ")
    assert f"at line {line} column {column}. Export the annotations anew." in message


@pytest.mark.parametrize("text", ["", "{", '{"rows": [', '{"rows": 3, "x'])
def test_what_ends_too_early_is_no_json(text):
    message = explain(text)
    assert message.startswith("a.json: not JSON: ")
    assert message.endswith(". Export the annotations anew.")


@pytest.mark.parametrize(
    "text", ['{"x": ' + "[" * 5000 + "]" * 5000 + "}", '{"rows": 3, "x": ' + "[" * 5000]
)
def test_what_nests_too_deeply_is_said_so(text):
    assert explain(text).startswith("a.json: nests lists or objects too deeply")


@pytest.mark.parametrize(
    ("content", "wanted"),
    [
        (b'{"rows": [{"id": "x"}]}', "rows[0].id"),
        (b'{"rows": [{"id": 1, "box": [1, "x"]}]}', "rows[0].box[1]"),
        (b'{"rows": 3}', "rows"),
        (b"[]", ""),
    ],
)
def test_a_place_is_that_of_the_decoder(content, wanted):
    assert json_faults.place(refusal(content)) == wanted


def test_what_json_alone_cannot_lack_is_told_by_the_same_heading():
    message = json_faults.not_of_format(PATH, Wanted, 2, ["rows[0]: x", "rows[1]: y"])
    assert message == (
        "a.json: not the small format; the annotations have 2 faults:\n"
        "  rows[0]: x\n  rows[1]: y"
    )
