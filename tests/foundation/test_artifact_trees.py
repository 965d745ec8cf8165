"""Folders with all that is in them, also when a store refuses one of the requests."""

import pathlib
import shutil
import tracemalloc

import fake_gcs
import pytest
from stored_trees import TREE, plant

from foundation import artifact_trees

SMALL = {"saved_model.pb": b"graph", "variables/index": b"1"}


def plant_unseen(store, folder, tree=None):
    """Puts a tree where this process never asked, so that it remembers nothing."""
    for name, content in (TREE if tree is None else tree).items():
        store.write(f"{folder}/{name}", content)
    return folder


def below(store, folder) -> dict:
    """What is really there, without the marks of folders."""
    names = [name for name in store.names(f"{folder}/") if not name.endswith("/")]
    return {name.removeprefix(f"{folder}/"): store.read(name) for name in names}


def read(folder) -> dict:
    """What is in a folder of the disk."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def done(act, *arguments, **keywords) -> bool:
    """Whether it was done; it may be refused, but nothing may seem to be missing."""
    try:
        act(*arguments, **keywords)
    except OSError as error:
        assert not isinstance(error, FileNotFoundError)
        return False
    return True


def test_all_files_are_told_with_their_sizes(root):
    plant(root)
    sizes = {name: len(content) for name, content in TREE.items()}
    assert artifact_trees.files(root) == sizes
    with pytest.raises(FileNotFoundError):
        artifact_trees.files(root / "none")


def test_a_copy_that_lacks_something_is_told(root):
    source = plant(root / "source")
    assert artifact_trees.lacking(root / "none", source) == list(
        artifact_trees.files(source)
    )
    copy = plant(root / "copy", {**TREE, "more": b"more"})
    artifact_trees.check_copy(copy, source)
    (copy / "a[1]" / "second.txt").write_bytes(b"2")
    (copy / "z" / "deep" / "er").unlink()
    lacking = {"a[1]/second.txt", "z/deep/er"}
    assert set(artifact_trees.lacking(copy, source)) == lacking
    with pytest.raises(OSError, match="2 files of .*source are missing") as caught:
        artifact_trees.check_copy(copy, source)
    assert all(name in str(caught.value) for name in lacking)
    assert caught.value.filename == str(copy)


def test_a_copy_replaces_what_was_there(root):
    source = plant(root / "source")
    target = plant(root / "target", {"left/over": b"old", "saved_model.pb": b"old"})
    artifact_trees.copy_tree(source, target, last="saved_model.pb")
    assert artifact_trees.files(target) == artifact_trees.files(source)
    assert (target / "a[1]" / "second.txt").read_bytes() == b"22"
    assert (target / "saved_model.pb").read_bytes() == b"graph"
    assert (source / "saved_model.pb").is_file()
    assert {path.name for path in root.iterdir()} == {"source", "target"}


def test_a_folder_without_the_file_that_completes_it_is_not_copied(root):
    plant(root / "source", {"variables/data": b"1"})
    with pytest.raises(FileNotFoundError) as caught:
        artifact_trees.copy_tree(root / "source", root / "target", "saved_model.pb")
    assert caught.value.filename == str(root / "source" / "saved_model.pb")
    assert not (root / "target").exists()


@pytest.mark.parametrize("act", [artifact_trees.copy_tree, artifact_trees.move_objects])
def test_the_file_that_says_that_all_is_there_comes_last(gcs, bucket, act):
    plant_unseen(gcs, bucket / "source")
    begun = len(gcs.requests())
    act(bucket / "source", bucket / "target", last="a[1]/first.txt")
    assert below(gcs, bucket / "target") == TREE
    written = [r for r in gcs.requests()[begun:] if r.startswith(("POST", "PUT"))]
    is_move = act == artifact_trees.move_objects
    assert below(gcs, bucket / "source") == ({} if is_move else TREE)
    if is_move:
        assert len(written) == len(TREE)
        assert "first.txt" in written[-1]


@pytest.mark.parametrize("act", [artifact_trees.copy_tree, artifact_trees.move_objects])
def test_whichever_request_is_refused_no_file_is_lost(gcs, bucket, act):
    ends = []
    for number in fake_gcs.each_refused(gcs):
        source = plant_unseen(gcs, bucket / str(number) / "source", SMALL)
        target = bucket / str(number) / "target"
        ends.append(done(act, source, target, last="saved_model.pb"))
        left, there = below(gcs, source), below(gcs, target)
        assert {**left, **there} == SMALL
        if ends[-1] or "saved_model.pb" in there:
            assert there == SMALL
    assert not all(ends)


def test_a_version_that_is_whole_is_whole_while_it_is_copied_again(gcs, bucket):
    for number in fake_gcs.each_refused(gcs):
        source = plant_unseen(gcs, bucket / str(number) / "source", SMALL)
        target = plant_unseen(gcs, bucket / str(number) / "target", SMALL)
        done(artifact_trees.copy_tree, source, target, last="saved_model.pb")
        assert below(gcs, target) == SMALL


def test_a_bucket_comes_into_a_folder_in_one_step(gcs, bucket, tmp_path):
    for number in fake_gcs.each_refused(gcs):
        source = plant_unseen(gcs, bucket / str(number))
        target = tmp_path / str(number) / "17"
        is_done = done(artifact_trees.copy_tree, source, target, "saved_model.pb")
        assert target.exists() == is_done
        assert not is_done or read(target) == TREE
        assert {path.name for path in tmp_path.glob(f"{number}/*")} <= {"17"}


def test_a_folder_that_another_has_put_there_meanwhile_is_left_alone(tmp_path):
    source, target = plant(tmp_path / "source"), tmp_path / "target"

    def both(*arguments, **options):
        patched.undo()  # it calls itself for the folders within
        shutil.copytree(*arguments, **options)
        shutil.copytree(source, target)
        before.append((target / "saved_model.pb").stat().st_ino)

    before = []
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(shutil, "copytree", both)
        artifact_trees.copy_tree(source, target, last="saved_model.pb")
    assert before == [(target / "saved_model.pb").stat().st_ino]
    assert {path.name for path in tmp_path.iterdir()} == {"source", "target"}


def test_a_folder_that_cannot_be_replaced_is_put_back(tmp_path, monkeypatch):
    target = plant(tmp_path / "target")
    real = pathlib.Path.replace

    def replace(path, place):
        if (path / "new").is_file() and not target.exists():
            raise OSError
        return real(path, place)

    monkeypatch.setattr(pathlib.Path, "replace", replace)
    with pytest.raises(OSError), artifact_trees.whole_folder(target) as partial:
        (partial / "new").write_text("")
    assert read(target) == TREE
    assert list(tmp_path.iterdir()) == [target]


def test_others_than_tensorflow_get_a_copy_of_a_bucket_and_a_folder_itself(
    bucket, tmp_path
):
    with artifact_trees.local_folder(plant(bucket)) as here:
        assert read(here) == TREE
    assert not here.exists()
    with artifact_trees.local_folder(tmp_path) as here:
        assert here == tmp_path


def test_others_than_tensorflow_never_get_half_a_bucket(gcs, bucket):
    def look(folder):
        with artifact_trees.local_folder(folder) as here:
            assert read(here) == TREE

    for number in fake_gcs.each_refused(gcs):
        done(look, plant_unseen(gcs, bucket / str(number)))


def test_a_file_is_not_held_in_memory_to_be_copied(gcs, bucket):
    size = 40 << 20
    gcs.write(f"{bucket}/large", bytes(size))
    tracemalloc.start()
    with artifact_trees.local_folder(bucket) as here:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert (here / "large").stat().st_size == size
    assert peak < size / 2
