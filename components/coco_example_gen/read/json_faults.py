"""Says where a JSON file is not what was wanted, all its faults together."""

import pathlib
import re
from typing import ClassVar

import msgspec

from components.coco_example_gen import problems

# What decoding raises; texts that are not UTF-8 have an error of their own.
_REFUSED = (msgspec.DecodeError, UnicodeDecodeError)
_BYTE = re.compile(r"\(byte (\d+)\)")
_SHOWN_BYTES = 60
NOT_BLANK = r"\S"  # a pattern that texts of nothing but spaces do not fit
_KINDS = {b"[": "a list", b'"': "a text"}


class Tables(msgspec.Struct):
    """A whole file: fields that are lists of structs, and the name of its format."""

    FORMAT: ClassVar[str]


def place(error: Exception) -> str:
    """`images[0].id` from the decoder's message; empty for the whole file."""
    _, _, path = str(error).partition(" - at `$")
    return path.rstrip("`").removeprefix(".")


def explain(
    path: pathlib.Path,
    content: bytes,
    wanted: type[Tables],
    error: Exception,
) -> str:
    """The message for a file that is not JSON, or JSON of another structure.

    Args:
        error: what decoding raised.
    """
    if isinstance(error, msgspec.ValidationError | UnicodeDecodeError):
        return _not_coco(path, content, wanted, error)
    return _not_json(path, content, error)


def not_of_format(
    path: pathlib.Path, wanted: type[Tables], count: int, lines: list[str]
) -> str:
    """The message for JSON that lacks something.

    Args:
        count: of faults.
        lines: one for each of the first faults.
    """
    return (
        f"{path}: not the {wanted.FORMAT} format; {problems.fault_list(count, lines)}"
    )


def _not_json(path: pathlib.Path, content: bytes, error: Exception) -> str:
    """The message for a file that does not parse, with line and column."""
    if isinstance(error, RecursionError):
        return (
            f"{path}: nests lists or objects too deeply, about a thousand within each "
            "other, where COCO needs five. Export the annotations anew."
        )
    reason = str(error).removeprefix("JSON is malformed: ")
    found = _BYTE.search(reason)
    if found:
        before = content[: int(found[1])]
        line = before.count(b"\n") + 1
        column = len(before) - before.rfind(b"\n")
        reason = f"{reason[: found.start()]}at line {line} column {column}"
    return f"{path}: not JSON: {reason.strip()}. Export the annotations anew."


def _not_coco(
    path: pathlib.Path, content: bytes, wanted: type[Tables], error: Exception
) -> str:
    """The message for JSON of another structure: every place that is wrong."""
    try:
        tables = msgspec.json.decode(content, type=dict[str, msgspec.Raw])
    except (RecursionError, *_REFUSED) as fault:
        if not isinstance(fault, msgspec.ValidationError):
            return _not_json(path, content, fault)  # it ends or nests behind `error`
        kind = _KINDS.get(content.lstrip()[:1], "a number or a word")
        return (
            f"{path}: not COCO: holds {kind}, wanted an object with images, "
            "annotations and categories (a list is a results file)."
        )
    count, lines = 0, []
    for field in msgspec.structs.fields(wanted):
        faults = _table_faults(field, tables.get(field.name))
        for line in faults:
            count += 1
            if len(lines) < problems.MAX_EXAMPLES:
                lines.append(line)
    if not count:
        count, lines = 1, [str(error)]
    return not_of_format(path, wanted, count, lines)


def _table_faults(field: msgspec.structs.FieldInfo, raw: msgspec.Raw | None):
    """Yields a line for each fault of one list of rows."""
    if raw is None:
        yield f"{field.name}: missing"
        return
    try:
        rows = msgspec.json.decode(raw, type=list[msgspec.Raw])
    except _REFUSED as error:
        yield f"{field.name}: {_told(error, raw)}"
        return
    (row_type,) = field.type.__args__
    decoder = msgspec.json.Decoder(row_type, strict=False)
    for index, row in enumerate(rows):
        try:
            decoder.decode(row)
        except _REFUSED as error:
            where = f"{field.name}[{index}]"
            yield from _row_faults(where, row_type, row, error)


def _row_faults(
    where: str,
    row_type: type[msgspec.Struct],
    row: msgspec.Raw,
    error: Exception,
):
    """Yields a line for each key of one row."""
    try:
        values = msgspec.json.decode(row, type=dict[str, msgspec.Raw])
    except _REFUSED:
        yield f"{where}: {_told(error, row)}"
        return
    for field in msgspec.structs.fields(row_type):
        if field.name not in values:
            if field.required:
                yield f"{where}.{field.name}: missing"
            continue
        try:
            msgspec.json.decode(values[field.name], type=field.type, strict=False)
        except _REFUSED as fault:
            yield f"{where}.{field.name}{place(fault)}: " + _told(
                fault, values[field.name]
            )


def _told(error: Exception, raw: msgspec.Raw) -> str:
    reason = str(error).partition(" - at ")[0].replace("`", "")
    reason = reason.replace(f"matching regex {NOT_BLANK!r}", "that is not blank")
    text = bytes(raw)[: _SHOWN_BYTES + 1].decode("utf-8", "replace")
    shown = text if len(text) <= _SHOWN_BYTES else f"{text[:_SHOWN_BYTES]}..."
    # "Expected int, got str" would name the type beside the value.
    return f"{reason.partition(', got')[0]}, got {' '.join(shown.split())}"
