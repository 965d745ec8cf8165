import pytest

from foundation import terminal_text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[2J\x07.png", "\\x1b[2J\\x07.png"),
        ("\x9b31m\r", "\\x9b31m\\r"),  # what begins a sequence in 8 bits
        ("\udcff.json", "\\udcff.json"),  # of a file name that is not UTF-8
        ("größe 犬 🐈\n\tline\\n", "größe 犬 🐈\n\tline\\n"),
    ],
)
def test_only_what_cannot_be_read_is_escaped(text, shown):
    assert terminal_text.printable(text) == shown
    shown.encode("utf-8")
