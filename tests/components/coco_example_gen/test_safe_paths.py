import pathlib

import pytest

from components.coco_example_gen import safe_paths


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("../1.png", "climbs out"),
        ("a/../1.png", "climbs out"),
        ("a\\..\\1.png", "climbs out"),
        ("..", "climbs out"),
        ("/1.png", "is absolute"),
        ("\\1.png", "is absolute"),
        ("\\\\host\\share\\1.png", "is absolute"),
        ("c:1.png", "is absolute"),
        ("https://host/1.png", "is a URL"),
        ("gs://bucket/1.png", "is a URL"),
        ("1.png\0", "NUL"),
    ],
)
def test_what_could_lead_elsewhere_is_refused(name, reason):
    assert reason in safe_paths.fault(name)
    message = safe_paths.explain("file_name", name)
    assert message.startswith(f"file_name {name!r} ") and "such as '" in message


@pytest.mark.parametrize(
    "name", ["1.png", "a/b/1.png", "...", "..1.png", "1..png", "a b/é.png", "12:30.jpg"]
)
def test_what_stays_below_its_folder_is_not(name):
    assert safe_paths.fault(name) is None
    assert safe_paths.explain("file_name", name) is None


def test_of_a_very_long_name_the_reason_and_the_advice_are_still_told():
    message = safe_paths.explain("file_name", "/" + "x" * 100_000 + ".png")
    assert len(message) < 600
    assert "xxx.png' is absolute; write it relative" in message
    assert message.endswith("with the picture inside the data folder")


def test_folders_are_tried_in_order_and_both_separators(tmp_path):
    for place in ("b/deep/1.png", "a/2.png", "b/2.png"):
        path = tmp_path / place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    folders = [str(tmp_path / "a"), str(tmp_path / "b")]

    def found(name):
        path = safe_paths.find(tmp_path, folders, name)
        return path and path.relative_to(tmp_path).as_posix()

    assert found("2.png") == "a/2.png"
    assert found("deep/1.png") == found("deep\\1.png") == "b/deep/1.png"
    assert found("deep") is None  # a folder is no file
    assert found("x" * 5000) is None
    assert found("1.png\0") is None


def test_links_may_lead_anywhere_inside_of_the_root_and_not_out(tmp_path):
    root = tmp_path / "root"
    (root / "a").mkdir(parents=True)
    (tmp_path / "outside").mkdir()
    for path in (root / "1.png", tmp_path / "outside" / "2.png"):
        path.touch()
    (root / "a" / "1.png").symlink_to(root / "1.png")
    (root / "a" / "out").symlink_to(tmp_path / "outside")
    assert safe_paths.find(root, [str(root / "a")], "1.png")
    with pytest.raises(safe_paths.LeavesRootError, match="outside/2.png, outside of"):
        safe_paths.find(root, [str(root / "a")], "out/2.png")


def test_a_root_that_is_itself_a_link_is_no_escape(tmp_path):
    real = tmp_path / "real"
    real.mkdir()
    (real / "1.png").touch()
    root = pathlib.Path(tmp_path / "link")
    root.symlink_to(real)
    assert safe_paths.find(root, [str(root)], "1.png") == root / "1.png"
