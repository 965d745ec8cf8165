import json
import pathlib
import struct

import numpy as np
import pytest

from foundation import errors
from model.weights import safetensors

OFFICIAL = (
    pathlib.Path(__file__).parents[1]
    / "parity"
    / "fixtures"
    / "backbone"
    / "torchvision.safetensors"
)
ENTRY = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}


def packed(header: object, content: bytes = b"\0" * 8) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + content


def test_what_was_written_is_read(tmp_path):
    tensors = {
        "b": np.arange(6, dtype=np.float32).reshape(2, 3).T,
        "a": np.float32(2.5) * np.ones([], np.float32),
        "empty": np.zeros([0, 3], np.float32),
    }
    path = tmp_path / "w.safetensors"
    safetensors.write(path, tensors, {"what": "ä test"})
    found, metadata = safetensors.read(path)
    assert metadata == {"what": "ä test"}
    assert sorted(found) == ["a", "b", "empty"]
    for name, value in tensors.items():
        np.testing.assert_array_equal(found[name], value)


def test_equal_tensors_give_equal_files_in_any_order(tmp_path):
    one, two = {"a": np.ones(3), "b": np.zeros(2)}, {"b": np.zeros(2), "a": np.ones(3)}
    safetensors.write(tmp_path / "1", one, {"x": "1", "y": "2"})
    safetensors.write(tmp_path / "2", two, {"y": "2", "x": "1"})
    assert (tmp_path / "1").read_bytes() == (tmp_path / "2").read_bytes()


def test_a_file_of_the_official_writer_is_read():
    found, metadata = safetensors.read(OFFICIAL)
    assert found["conv1.weight"].shape == (4, 3, 7, 7)
    assert found["conv1.weight"].dtype == np.float16
    assert found["fc.weight"].shape == (2, 32)
    assert np.abs(found["conv1.weight"]).max() < 1.0
    assert metadata == {}


def test_bfloat16_is_the_upper_half_of_float32(tmp_path):
    path = tmp_path / "w"
    header = {"x": {"dtype": "BF16", "shape": [2], "data_offsets": [0, 4]}}
    path.write_bytes(packed(header, bytes([0x80, 0x3F, 0x40, 0xC0])))
    np.testing.assert_array_equal(safetensors.read(path)[0]["x"], [1.0, -3.0])


def test_a_file_cut_off_anywhere_is_refused(tmp_path):
    path = tmp_path / "w"
    safetensors.write(path, {"a": np.ones(3), "b": np.ones(2)}, {"k": "v"})
    content = path.read_bytes()
    for size in range(len(content)):
        path.write_bytes(content[:size])
        with pytest.raises(errors.WeightsError, match="not a whole safetensors file"):
            safetensors.read(path)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "it has 0 bytes"),
        (struct.pack("<Q", 2**60) + b"{}", "its header would have"),
        (packed(b"{nonsense"), "not JSON"),
        (packed(b"[" * 100_000), "not JSON"),
        (packed([1]), "not a JSON object"),
        (packed({"x": ENTRY, "__metadata__": 3}), "not a JSON object"),
        (packed(b'{"x": 1, "x": 2}'), "a name appears twice"),
        (packed({"x": 3}), "no valid shape and place"),
        (packed({"x": {**ENTRY, "shape": [-2]}}), "no valid shape and place"),
        (packed({"x": {**ENTRY, "shape": [2.0]}}), "no valid shape and place"),
        (packed({"x": {**ENTRY, "data_offsets": [0, 8, 9]}}), "x"),
        (packed({"x": {**ENTRY, "dtype": "F8_E4M3"}}), "F8_E4M3"),
        (packed({"x": {**ENTRY, "shape": [3]}}), "shape .3. but 8 bytes"),
        (packed({"x": {**ENTRY, "data_offsets": [4, 12]}}, bytes(12)), "not 0"),
        (packed({"x": ENTRY, "y": ENTRY}), "starts at byte 0, not 8"),
        (packed({"x": ENTRY}, bytes(9)), "1 bytes follow"),
    ],
)
def test_a_broken_file_is_refused_with_the_reason(tmp_path, content, why):
    path = tmp_path / "w"
    path.write_bytes(content)
    with pytest.raises(errors.WeightsError, match=why):
        safetensors.read(path)


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "w"
    safetensors.write(path, {"a": np.ones(2)}, {})
    before = path.read_bytes()
    with pytest.raises(ValueError, match="could not convert"):
        safetensors.write(path, {"a": np.array(["text"])}, {})
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["w"]
