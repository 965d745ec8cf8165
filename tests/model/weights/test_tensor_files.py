import json
import pathlib
import struct

import numpy as np
import pytest
import safetensors

from foundation import errors
from model.weights import tensor_files

OFFICIAL = (
    pathlib.Path(__file__).parents[2]
    / "parity"
    / "fixtures"
    / "backbone"
    / "torchvision.safetensors"
)
ENTRY = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}
NOTHING = {"dtype": "F32", "shape": [0, 2**63], "data_offsets": [0, 0]}


def packed(header: object, content: bytes = b"\0" * 8) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + content


def twice(name: str, one: object, two: object) -> bytes:
    return f'{{"{name}": {json.dumps(one)}, "{name}": {json.dumps(two)}}}'.encode()


def test_what_was_written_is_read(tmp_path):
    tensors = {
        "b": np.arange(6, dtype=np.float32).reshape(2, 3).T,
        "a": np.full([], 2.5, np.float32),
        "empty": np.zeros([0, 3], np.float32),
    }
    path = tmp_path / "w.safetensors"
    tensor_files.write(path, tensors, {"what": "ä test"})
    found, metadata = tensor_files.read(path)
    assert metadata == {"what": "ä test"}
    assert sorted(found) == ["a", "b", "empty"]
    for name, value in tensors.items():
        np.testing.assert_array_equal(found[name], value)
        assert found[name].shape == value.shape


def test_equal_tensors_give_equal_files_in_any_order(tmp_path):
    one, two = {"a": np.ones(3), "b": np.zeros(2)}, {"b": np.zeros(2), "a": np.ones(3)}
    texts = dict.fromkeys("abcdefgh", "text")
    tensor_files.write(tmp_path / "1", one, texts)
    tensor_files.write(tmp_path / "2", two, dict(reversed(texts.items())))
    assert (tmp_path / "1").read_bytes() == (tmp_path / "2").read_bytes()


def test_the_official_reader_reads_what_was_written(tmp_path):
    values = np.arange(6, dtype=np.float32).reshape(2, 3).T
    tensor_files.write(tmp_path / "w", {"b": values, "a": values[0]}, {"what": "ä"})
    with safetensors.safe_open(tmp_path / "w", "numpy") as file:
        assert file.metadata() == {"what": "ä"}
        assert file.offset_keys() == ["a", "b"]
        np.testing.assert_array_equal(file.get_tensor("b"), values)
        np.testing.assert_array_equal(file.get_tensor("a"), values[0])


def test_a_file_of_the_official_writer_is_read():
    found, metadata = tensor_files.read(OFFICIAL)
    assert found["conv1.weight"].shape == (4, 3, 7, 7)
    assert found["conv1.weight"].dtype == np.float16
    assert found["fc.weight"].shape == (2, 32)
    assert np.abs(found["conv1.weight"]).max() < 1.0
    assert metadata == {}


def test_bfloat16_is_the_upper_half_of_float32(tmp_path):
    path = tmp_path / "w"
    header = {"x": {"dtype": "BF16", "shape": [2], "data_offsets": [0, 4]}}
    path.write_bytes(packed(header, bytes([0x80, 0x3F, 0x40, 0xC0])))
    np.testing.assert_array_equal(tensor_files.read(path)[0]["x"], [1.0, -3.0])


def test_a_file_cut_off_anywhere_is_refused(tmp_path):
    path = tmp_path / "w"
    tensor_files.write(path, {"a": np.ones(3), "b": np.ones(2)}, {"k": "v"})
    content = path.read_bytes()
    for size in range(len(content)):
        path.write_bytes(content[:size])
        with pytest.raises(errors.WeightsError, match="not a whole safetensors file"):
            tensor_files.read(path)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "of 0 bytes, .*: header too small"),
        (struct.pack("<Q", 2**60) + b"{}", "header too large"),
        (struct.pack("<Q", 100_000_001) + b"{}", "header too large"),
        (struct.pack("<Q", 3) + b"{}", "invalid header length"),
        (packed(b"{nonsense"), "invalid JSON in header: key must be"),
        (packed(b"[" * 100_000), "invalid JSON in header"),
        (packed([1]), "sequence, expected struct"),
        (packed({"x": ENTRY, "__metadata__": 3}), "integer `3`, expected a map"),
        (packed({"x": ENTRY, "__metadata__": {"a": 3}}), "`3`, expected a string"),
        (packed(twice("x", ENTRY, {**ENTRY, "dtype": "I32"})), "a name appears twice"),
        (packed(twice("__metadata__", {}, {"a": "b"})), "duplicate field"),
        (packed(b'{"__metadata__": {"a": "b", "a": "c"}}', b""), "appears twice"),
        (packed({"x": 3}), "integer `3`, expected struct"),
        (packed({"x": {**ENTRY, "shape": [-2]}}), "`-2`, expected usize"),
        (packed({"x": {**ENTRY, "shape": [2.0]}}), "`2.0`, expected usize"),
        (packed({"x": {**ENTRY, "shape": [2**40] * 2}}), "overflow"),
        (packed({"x": {**ENTRY, "shape": [1] * 100 + [2]}}), "maximum supported dim"),
        (packed({"x": NOTHING}, b""), "Maximum allowed dim"),
        (packed({"x": {**ENTRY, "data_offsets": [0, 8, 9]}}), "invalid length 3"),
        (packed({"x": {**ENTRY, "data_offsets": [8, 0]}}), "invalid offset for .* `x`"),
        (packed({"x": {**ENTRY, "dtype": "F9"}}), "unknown variant `F9`"),
        (packed({"x": {**ENTRY, "dtype": "F8_E4M3", "shape": [8]}}), "'F8_E4M3', not"),
        (packed({"x": {**ENTRY, "shape": [3]}}), "invalid shape, data type, or offset"),
        (packed({"x": {**ENTRY, "data_offsets": [4, 12]}}, bytes(12)), "offset .* `x`"),
        (packed({"x": ENTRY, "y": ENTRY}), "invalid offset for tensor `[xy]`"),
        (packed({"x": ENTRY}, bytes(9)), "file not fully covered"),
        (packed({"x": ENTRY}, bytes(7)), "file not fully covered"),
    ],
)
def test_a_broken_file_is_refused_with_the_reason(tmp_path, content, why):
    path = tmp_path / "w"
    path.write_bytes(content)
    with pytest.raises(errors.WeightsError, match=why):
        tensor_files.read(path)


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "w"
    tensor_files.write(path, {"a": np.ones(2)}, {})
    before = path.read_bytes()
    with pytest.raises(ValueError, match="could not convert"):
        tensor_files.write(path, {"a": np.array(["text"])}, {})
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["w"]
