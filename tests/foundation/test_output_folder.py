import pytest

from foundation import errors, output_folder


def write(out, text, force=False):
    output_folder.require_free(out, [], force)
    with output_folder.written(out, force) as folder:
        (folder / "a.txt").write_text(text)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_nothing_is_left_of_an_interrupted_command(tmp_path, error):
    with pytest.raises(error), output_folder.written(tmp_path / "out", False) as folder:
        (folder / "a.txt").write_text("half")
        assert names(tmp_path) == [folder.name] != ["out"]
        raise error
    assert names(tmp_path) == []


def test_what_was_written_before_stays_until_the_new_is_complete(tmp_path):
    out = tmp_path / "out"
    write(out, "old")
    with pytest.raises(RuntimeError), output_folder.written(out, True) as folder:
        (folder / "a.txt").write_text("half")
        raise RuntimeError
    assert (out / "a.txt").read_text() == "old"
    write(out, "new", force=True)
    assert (out / "a.txt").read_text() == "new"
    assert names(tmp_path) == ["out"]


def test_an_earlier_output_is_replaced_only_by_force(tmp_path):
    write(tmp_path / "out", "old")
    with pytest.raises(errors.UserError, match="--force"):
        write(tmp_path / "out", "new")
    assert (tmp_path / "out" / "a.txt").read_text() == "old"


def test_an_empty_folder_may_be_written(tmp_path):
    (tmp_path / "out").mkdir()
    write(tmp_path / "out", "new")
    assert (tmp_path / "out" / "a.txt").read_text() == "new"


@pytest.mark.parametrize("force", [True, False])
def test_what_others_wrote_is_never_replaced(tmp_path, force):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.txt").write_text("mine")
    with pytest.raises(errors.UserError, match="not something that m2f wrote"):
        write(tmp_path / "out", "new", force)
    assert names(tmp_path / "out") == ["thesis.txt"]


def test_a_folder_that_is_filled_meanwhile_is_not_replaced(tmp_path):
    out = tmp_path / "out"
    with pytest.raises(errors.UserError), output_folder.written(out, False):
        out.mkdir()
        (out / "thesis.txt").write_text("mine")
    assert names(tmp_path) == ["out"] and names(out) == ["thesis.txt"]


@pytest.mark.parametrize("out", ["data", "data/out", "."])
def test_the_data_is_never_written_into_nor_replaced(tmp_path, out):
    (tmp_path / "data").mkdir()
    with pytest.raises(errors.UserError, match="of the data"):
        output_folder.require_free(tmp_path / out, [tmp_path / "data"], True)


def test_a_missing_parent_is_named(tmp_path):
    with pytest.raises(errors.UserError, match="no folder .*missing"):
        output_folder.require_free(tmp_path / "missing" / "out", [], False)


def test_only_an_output_of_known_files_is_discarded(tmp_path):
    out = tmp_path / "out"
    write(out, "old")
    output_folder.discard(out, ["b.txt"])
    assert names(out) == [".written_by_m2f", "a.txt"]
    output_folder.discard(out, ["a.txt", "b.txt"])
    assert not out.exists()
    out.mkdir()
    (out / "a.txt").write_text("not ours")
    output_folder.discard(out, ["a.txt"])
    assert names(out) == ["a.txt"]
