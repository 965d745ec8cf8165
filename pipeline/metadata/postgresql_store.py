"""A way around two faults that ML Metadata (1.17.1) and TFX have on PostgreSQL.

Backslashes: libpq quotes a text that holds one as ` E'...'`. ML Metadata cuts off the
first and the last character, expecting quotes there, and sends what is left as broken
SQL. TFX writes JSON inside JSON, so every run has such texts. In the database a
character of Unicode's private use area stands for each backslash.

Order: rows come back in any order, and TFX pairs those it finds in its cache with the
ids it asked for. An output of a cached node could become another one's. So rows are
put into the order they were asked for.
"""

from collections.abc import MutableSequence, Sequence
from typing import Any

from google.protobuf import descriptor, message
from ml_metadata import metadata_store

BACKSLASH = "\\"
STAND_IN = "\uf05c"


# Call -> ids in the request, rows in the response.
_BY_ID = {
    "GetArtifactsByID": ("artifact_ids", "artifacts"),
    "GetExecutionsByID": ("execution_ids", "executions"),
    "GetContextsByID": ("context_ids", "contexts"),
    "GetArtifactTypesByID": ("type_ids", "artifact_types"),
    "GetExecutionTypesByID": ("type_ids", "execution_types"),
    "GetContextTypesByID": ("type_ids", "context_types"),
}


class Store(metadata_store.MetadataStore):
    """ML Metadata's store with both put right.

    `_call` is where all calls of the client pass; tests on a real server watch that it
    stays so.
    """

    def _call(
        self,
        method_name: str,
        request: message.Message,
        response: message.Message,
        extra_options: object = None,
    ) -> object:
        translate(request, BACKSLASH, STAND_IN)
        result = super()._call(method_name, request, response, extra_options)
        translate(response, STAND_IN, BACKSLASH)
        if method_name in _BY_ID:
            ids, rows = _BY_ID[method_name]
            align(getattr(response, rows), getattr(request, ids))
        return result


def align(rows: MutableSequence, ids: Sequence[int]) -> None:
    """Puts the rows of a response into the order of `ids`, in place.

    An id that was asked for twice has its row twice, one that was not found has none.
    """
    found = {}
    for row in rows:
        found[row.id] = type(row)()
        found[row.id].CopyFrom(row)
    del rows[:]
    rows.extend(found[each] for each in ids if each in found)


def translate(found: message.Message, old: str, new: str) -> None:
    """Replaces a character in all texts of a message and of those inside it."""
    for field, value in found.ListFields():
        if field.type == field.TYPE_STRING:
            _translate_text(found, field, value, old, new)
        elif field.type == field.TYPE_MESSAGE:
            for inner in _inner(field, value):
                translate(inner, old, new)


def _translate_text(
    found: message.Message,
    field: descriptor.FieldDescriptor,
    value: Any,
    old: str,
    new: str,
) -> None:
    if not field.is_repeated:
        if old in value:
            setattr(found, field.name, value.replace(old, new))
        return
    for index, text in enumerate(value):
        value[index] = text.replace(old, new)


def _inner(field: descriptor.FieldDescriptor, value: Any) -> list[message.Message]:
    """The messages of a singular, repeated or map field."""
    if not field.is_repeated:
        return [value]
    kind = field.message_type
    is_map = kind is not None and kind.GetOptions().map_entry
    entries = value.values() if is_map else value
    return [entry for entry in entries if isinstance(entry, message.Message)]
