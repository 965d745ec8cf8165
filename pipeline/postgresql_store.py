"""A way around a fault of ML Metadata's client for PostgreSQL: it loses backslashes.

libpq quotes a text that holds a backslash as ` E'...'`. The client (1.17.1) cuts off
the first and the last character, expecting quotes there, and sends what is left as
broken SQL. TFX writes JSON inside JSON, so every run has such texts. In the database a
character of Unicode's private use area stands for each backslash.
"""

from google.protobuf import message
from ml_metadata import metadata_store

BACKSLASH = "\\"
STAND_IN = "\uf05c"


class Store(metadata_store.MetadataStore):
    """ML Metadata's store with the texts of every call translated.

    `_call` is where all calls of the client pass; a test on a real server watches that
    it stays so.
    """

    def _call(self, method_name, request, response, extra_options=None):
        translate(request, BACKSLASH, STAND_IN)
        result = super()._call(method_name, request, response, extra_options)
        translate(response, STAND_IN, BACKSLASH)
        return result


def translate(found: message.Message, old: str, new: str) -> None:
    """Replaces a character in all texts of a message and of those inside it."""
    for field, value in found.ListFields():
        if field.type == field.TYPE_STRING:
            _translate_text(found, field, value, old, new)
        elif field.type == field.TYPE_MESSAGE:
            for inner in _inner(field, value):
                translate(inner, old, new)


def _translate_text(found, field, value, old: str, new: str) -> None:
    if not field.is_repeated:
        if old in value:
            setattr(found, field.name, value.replace(old, new))
        return
    for index, text in enumerate(value):
        value[index] = text.replace(old, new)


def _inner(field, value) -> list[message.Message]:
    """The messages of a singular, repeated or map field."""
    if not field.is_repeated:
        return [value]
    entries = value.values() if field.message_type.GetOptions().map_entry else value
    return [entry for entry in entries if isinstance(entry, message.Message)]
