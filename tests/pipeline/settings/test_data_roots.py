import pytest

from pipeline.settings import data_roots


@pytest.mark.parametrize(
    ("text", "roots"),
    [
        ("/data/a", ("/data/a",)),
        ("/data/a:/data/b:/c", ("/data/a", "/data/b", "/c")),
        ("gs://bucket/a", ("gs://bucket/a",)),
        (
            "gs://bucket/a:gs://other/b:/gcs/c",
            ("gs://bucket/a", "gs://other/b", "/gcs/c"),
        ),
        ("/day:1/a", ("/day:1/a",)),
        ("/day-{SPAN}/v{VERSION}:/b", ("/day-{SPAN}/v{VERSION}", "/b")),
    ],
)
def test_colons_before_a_path_separate_folders(text, roots):
    assert data_roots.parse(text) == roots


def test_placeholders_begin_what_is_looked_up():
    assert data_roots.fixed_part("/a/day-{SPAN}/b") == "/a/day-"
    assert data_roots.fixed_part("/a/b") == "/a/b"
