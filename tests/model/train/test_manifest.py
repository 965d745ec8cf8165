import contextlib
import errno
import pathlib

import pytest

from foundation import artifact_paths
from model.train import manifest

FILES = {"ckpt-7.index": b"index", "ckpt-7.data-00000-of-00001": b"data"}


@pytest.fixture
def folder(root):
    """A checkpoint, in a folder or in an object store."""
    place = root / "checkpoints"
    place.mkdir(parents=True, exist_ok=True)
    for name, content in FILES.items():
        (place / name).write_bytes(content)
    files = {name: manifest.measure(place / name) for name in FILES}
    manifest.write(place, 7, files, {"train.steps": 9}, {"ema": [1]})
    return place


def test_what_was_written_is_read_and_whole(folder):
    made = manifest.read(folder, 7)
    assert (made.step, made.training) == (7, {"train.steps": 9})
    assert made.facts == {"ema": [1]}
    assert made.saved_at > 1.7e9
    assert made.files["ckpt-7.index"][0] == 5
    manifest.check(folder, made)


def test_a_check_copies_on_the_way(folder, tmp_path):
    here = tmp_path / "here"
    here.mkdir()
    manifest.check(folder, manifest.read(folder, 7), here)
    assert {path.name: path.read_bytes() for path in here.iterdir()} == FILES


def test_steps_are_those_of_which_there_is_anything_newest_first(folder):
    (folder / "ckpt-12.index").write_bytes(b"")
    (folder / "checkpoint").write_bytes(b"")
    assert manifest.steps(folder) == [12, 7]
    assert manifest.steps(folder / "nowhere") == []


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda place: place.unlink(), "is missing"),
        (lambda place: place.write_bytes(place.read_bytes()[:3]), "has 3 of"),
        (lambda place: place.write_bytes(b""), "has 0 of"),
        (lambda place: place.write_bytes(place.read_bytes().swapcase()), "as it was"),
    ],
)
def test_a_file_that_is_not_as_it_was_is_damage(folder, name, change, said):
    change(folder / name)
    with pytest.raises(manifest.DamageError, match=f"{name}.*{said}"):
        manifest.check(folder, manifest.read(folder, 7))


def test_a_bit_that_flipped_anywhere_in_a_manifest_is_noticed(tmp_path):
    manifest.write(tmp_path, 7, {"a": (1, "b")}, {"train.steps": 9}, {})
    place = tmp_path / "ckpt-7.json"
    whole, made = place.read_bytes(), manifest.read(tmp_path, 7)
    for position in range(len(whole) * 8):
        changed = bytearray(whole)
        changed[position // 8] ^= 1 << position % 8
        place.write_bytes(changed)
        with contextlib.suppress(manifest.DamageError):
            assert manifest.read(tmp_path, 7) == made  # white space, say
    place.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(manifest.DamageError, match="cannot be read"):
        manifest.read(tmp_path, 7)


def test_a_manifest_under_another_name_is_damage(folder):
    (folder / "ckpt-8.json").write_bytes((folder / "ckpt-7.json").read_bytes())
    with pytest.raises(manifest.DamageError, match=r"ckpt-8.json is not as"):
        manifest.read(folder, 8)


def test_without_its_manifest_a_checkpoint_was_not_written_to_its_end(folder):
    (folder / "ckpt-7.json").unlink()
    with pytest.raises(manifest.DamageError, match="not written to its end"):
        manifest.read(folder, 7)


def test_a_store_that_refuses_a_request_is_no_damage(gcs):
    folder = artifact_paths.of("gs://bucket/refusing")
    manifest.write(folder, 7, {}, {}, {})
    gcs.fail_next(100_000, status=403)
    with pytest.raises(PermissionError):
        manifest.read(folder, 7)
    gcs.recover()


def test_a_disk_that_cannot_read_is_damage():
    error = OSError(errno.EIO, "Input/output error")
    found = manifest._damage_or(error, pathlib.Path("ckpt-7.index"))
    assert isinstance(found, manifest.DamageError)
