"""The same questions to a folder and to a bucket; the folder is `pathlib`'s own."""

import os
import pickle
import subprocess
import sys

import fake_gcs
import pytest
from stored_trees import TREE, plant

from foundation import artifact_paths


def test_an_address_keeps_its_form_through_all_that_is_done_to_a_path():
    path = artifact_paths.of("gs://bucket/a/b.txt")
    assert str(path) == os.fspath(path) == f"{path}" == "gs://bucket/a/b.txt"
    assert str(path.parent / "c") == "gs://bucket/a/c"
    assert str(path.with_name("d")) == "gs://bucket/a/d"
    assert [str(each) for each in path.parents][:2] == ["gs://bucket/a", "gs://bucket"]
    assert (path.name, path.suffix) == ("b.txt", ".txt")
    assert str(path.relative_to(artifact_paths.of("gs://bucket"))) == "a/b.txt"
    assert path.is_relative_to("gs://bucket/a")
    assert not path.is_relative_to("gs://bucket/b")
    assert str(pickle.loads(pickle.dumps(path))) == str(path)  # noqa: S301
    assert repr(path) == "RemotePath('gs://bucket/a/b.txt')"
    assert str(artifact_paths.of("gs://bucket/x/")) == "gs://bucket/x"


def test_a_bucket_answers_as_a_folder_does(root):
    plant(root)
    assert (root / "a[1]").is_dir()
    assert not (root / "a[1]").is_file()
    assert (root / "saved_model.pb").is_file()
    assert not (root / "saved_model.pb").is_dir()
    for gone in ("none", "a[1]/none", "saved"):
        path = root / gone
        assert not path.exists()
        assert not path.is_dir()
        assert not path.is_file()
    names = {path.name for path in root.iterdir()}
    assert names == {"saved_model.pb", "a[1]", "z"}
    found = sorted(str(path.relative_to(root)) for path in root.glob("*/*.txt"))
    assert found == ["a[1]/first.txt", "a[1]/second.txt"]
    assert list((root / "none").glob("*")) == []
    assert list(root.glob("*/first.txt")) == [root / "a[1]" / "first.txt"]
    assert (root / "a[1]" / "second.txt").read_text() == "22"
    assert (root / "z" / "deep" / "er").read_bytes() == b""


def test_what_is_not_there_is_told_as_a_folder_tells_it(root):
    for question in (
        lambda: (root / "none").read_bytes(),
        lambda: (root / "none").unlink(),
        lambda: list((root / "none").iterdir()),
        lambda: artifact_paths.remove_tree(root / "none"),
    ):
        with pytest.raises(FileNotFoundError) as caught:
            question()
        assert caught.value.filename == str(root / "none")
        assert caught.value.strerror
    (root / "none").unlink(missing_ok=True)
    artifact_paths.remove_tree(root / "none", missing_ok=True)


def test_nothing_is_left_of_a_file_that_was_not_written_to_its_end(tmp_path):
    path = tmp_path / "file"
    artifact_paths.write_whole(path, b"old")
    with pytest.raises(KeyboardInterrupt), artifact_paths.whole_file(path) as partial:
        partial.write_bytes(b"half")
        raise KeyboardInterrupt
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_is_replaced_whole_and_its_new_length_is_read(root):
    for content in (b"short", b"much longer than before", b"s", b""):
        artifact_paths.write_whole(root / "new" / "file", content)
        assert (root / "new" / "file").read_bytes() == content
    assert [path.name for path in (root / "new").iterdir()] == ["file"]


def test_what_another_process_wrote_is_read_to_its_end(gcs, bucket):
    path = bucket / "mark"
    path.write_bytes(b"9")
    assert path.is_file()  # and TensorFlow remembers that it has one byte
    gcs.write(str(path), b"10000")
    assert path.read_bytes() == b"10000"


def test_text_is_utf_8(root):
    plant(root, {"x": b""})
    (root / "x").write_text("ä€", encoding="utf-8")
    assert (root / "x").read_bytes() == "ä€".encode()
    assert (root / "x").read_text(encoding="utf-8") == "ä€"


def test_a_tree_is_removed_and_its_neighbour_is_not(root):
    plant(root / "tree")
    plant(root / "tree2", {"x": b"x"})
    artifact_paths.remove_tree(root / "tree")
    assert {path.name for path in root.iterdir()} == {"tree2"}


def test_a_bucket_that_may_not_be_read_is_an_error_of_the_system(gcs, bucket):
    gcs.fail_next(100, status=403)
    with pytest.raises(PermissionError) as caught:
        (bucket / "x").read_bytes()
    gcs.recover()
    assert caught.value.filename == f"{bucket}/x"


@pytest.mark.parametrize(
    "ask",
    [
        lambda folder: folder.is_dir(),
        lambda folder: list(folder.iterdir()),
        lambda folder: list(folder.glob("*")),
        lambda folder: folder.mkdir(),
        lambda folder: artifact_paths.remove_tree(folder, missing_ok=True),
    ],
    ids=["is_dir", "iterdir", "glob", "mkdir", "remove_tree"],
)
def test_what_a_store_refuses_is_not_taken_for_absent(gcs, bucket, ask):
    gcs.write(f"{bucket}/folder/file", b"")
    gcs.fail_next(1, status=403)
    with pytest.raises(PermissionError):
        ask(bucket / "folder")
    assert not gcs.recover()
    assert gcs.names(f"{bucket}/folder/file")


def test_whichever_request_is_refused_all_is_found_or_an_error_raised(gcs, bucket):
    refused = 0
    for number in fake_gcs.each_refused(gcs):
        folder = bucket / str(number)
        for name in TREE:
            gcs.write(f"{folder}/{name}", b"")
        try:
            found = [path.name for path in folder.glob("*/*.txt")]
        except OSError as error:
            assert not isinstance(error, FileNotFoundError)
            refused += 1
        else:
            assert found == ["first.txt", "second.txt"]
    assert refused == number


def test_a_tree_that_was_not_removed_is_an_error_and_one_that_was_is_gone(gcs, bucket):
    for number in fake_gcs.each_refused(gcs):
        for name in TREE:
            gcs.write(f"{bucket}/{number}/{name}", b"")
        try:
            artifact_paths.remove_tree(bucket / str(number), missing_ok=True)
        except OSError as error:
            assert not isinstance(error, FileNotFoundError)
            assert gcs.names(f"{bucket}/{number}/")
        else:
            assert not gcs.names(f"{bucket}/{number}/")


def test_nor_is_it_when_tensorflow_does_not_remember_what_it_saw():
    """Its memory lasts for some seconds: in its calls it may ask for the same again."""
    wanted = "refuses or whichever or was_not_removed"
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider"]
    done = subprocess.run(
        [*command, "-p", "no:xdist", __file__, "-k", wanted],
        env={**os.environ, "GCS_STAT_CACHE_MAX_AGE": "0"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout
    assert "7 passed" in done.stdout


def test_folders_are_made_without_a_question_about_the_bucket_itself(gcs, bucket):
    begun = len(gcs.requests())
    (bucket / "a" / "b").mkdir()
    (bucket / "a" / "b").mkdir(parents=True, exist_ok=True)
    assert (bucket / "a" / "b").is_dir()
    asked = [request.rpartition("/")[2] for request in gcs.requests()[begun:]]
    assert asked
    assert "bucket" not in asked


def test_a_file_system_that_tensorflow_lacks_is_an_error_of_the_system():
    with pytest.raises(OSError, match="scheme 's3' not implemented"):
        artifact_paths.of("s3://bucket/x").read_bytes()


def test_folders_do_not_need_tensorflow():
    program = (
        "import sys\n"
        "from foundation import artifact_paths\n"
        "path = artifact_paths.of('/tmp')\n"
        "assert path.is_dir()\n"
        "assert str(artifact_paths.of('gs://b/x') / 'y') == 'gs://b/x/y'\n"
        "assert 'tensorflow' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("gs://bucket/folder", None),
        ("gs://bucket/a/b/", None),
        ("gs://bucket", "wanted a folder in a bucket"),
        ("gs://bucket//", "wanted a folder in a bucket"),
        ("gs:///folder", "wanted a folder in a bucket"),
        ("gs://bucket/../folder", "wanted a folder in a bucket"),
        ("s3://bucket/folder", "no file system for s3://"),
        ("hdfs://host/folder", "no file system for hdfs://"),
    ],
)
def test_only_a_folder_in_cloud_storage_will_do(address, reason):
    assert artifact_paths.is_remote(address)
    fault = artifact_paths.fault(address)
    assert fault is None if reason is None else reason in fault
