"""Files are written here as PyTorch writes them; `make parity` has PyTorch's own."""

import collections
import io
import os
import pickle
import sys
import types
import zipfile

import numpy as np
import pytest

from foundation import errors
from model.weights import torch_files

KINDS = {"f4": "FloatStorage", "i8": "LongStorage", "f2": "HalfStorage"}


@pytest.fixture(autouse=True)
def torch_names(monkeypatch):
    """What pickling looks up by name, without PyTorch."""
    torch, utils = types.ModuleType("torch"), types.ModuleType("torch._utils")
    for kind in (*KINDS.values(), "BFloat16Storage"):
        setattr(torch, kind, type(kind, (), {"__module__": "torch"}))

    def _rebuild_tensor_v2(*_):
        raise AssertionError("called")

    _rebuild_tensor_v2.__module__ = "torch._utils"
    _rebuild_tensor_v2.__qualname__ = "_rebuild_tensor_v2"
    utils._rebuild_tensor_v2 = _rebuild_tensor_v2
    monkeypatch.setitem(sys.modules, "torch", torch)
    monkeypatch.setitem(sys.modules, "torch._utils", utils)


class Storage:
    """Numbers in a row, as the file knows them."""

    def __init__(self, key, values, kind=None):
        self.key, self.values = key, np.ascontiguousarray(values).ravel()
        self.kind = kind or KINDS[self.values.dtype.str[1:]]


class Tensor:
    """A part of a storage; pickles as a tensor does."""

    def __init__(self, storage, offset, shape, steps):
        self.arguments = storage, offset, shape, steps, False, collections.OrderedDict()

    def __reduce__(self):
        return sys.modules["torch._utils"]._rebuild_tensor_v2, self.arguments


def whole(key, values):
    steps = tuple(step // values.itemsize for step in values.strides)
    return Tensor(Storage(key, values), 0, values.shape, steps)


def pickled(content, is_archive):
    """The pickle of a checkpoint, and its storages by key."""
    storages, stream = {}, io.BytesIO()

    class Pickler(pickle.Pickler):
        def persistent_id(self, item):
            if not isinstance(item, Storage):
                return None
            storages[item.key] = item
            kind = getattr(sys.modules["torch"], item.kind)
            identity = ("storage", kind, item.key, "cpu", len(item.values))
            return identity if is_archive else (*identity, None)

    Pickler(stream, 2).dump(content)
    return stream.getvalue(), storages


def as_archive(content, byteorder="little"):
    text, storages = pickled(content, True)
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("model/data.pkl", text)
        archive.writestr("model/byteorder", byteorder)
        for key, storage in storages.items():
            archive.writestr(f"model/data/{key}", storage.values.tobytes())
    return stream.getvalue()


def as_stream(content, little_endian=True):
    text, storages = pickled(content, False)
    first = (0x1950A86A20F9469CFC6C, 1001, {"little_endian": little_endian})
    parts = [pickle.dumps(each, 2) for each in first]
    parts += [text, pickle.dumps(sorted(storages), 2)]
    for key in sorted(storages):
        values = storages[key].values
        parts += [len(values).to_bytes(8, "little"), values.tobytes()]
    return b"".join(parts)


FORMS = [as_archive, as_stream]


def written(tmp_path, content):
    path = tmp_path / "model.pth"
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("form", FORMS)
def test_tensors_are_parts_of_storages_seen_with_steps(tmp_path, form):
    numbers = Storage("7", np.arange(12, dtype="f4"))
    content = collections.OrderedDict(
        rows=Tensor(numbers, 0, (3, 4), (4, 1)),
        turned=Tensor(numbers, 0, (4, 3), (1, 4)),
        part=Tensor(numbers, 5, (2, 2), (4, 1)),
        repeated=Tensor(numbers, 2, (2, 3), (0, 1)),
        count=whole("1", np.array(3, "i8")),
        nothing=Tensor(numbers, 0, (0, 4), (4, 1)),
        epoch=5,
    )
    found = torch_files.read(written(tmp_path, form(content)))
    rows = np.arange(12).reshape(3, 4)
    expected = {
        "rows": rows,
        "turned": rows.T,
        "part": [[5, 6], [9, 10]],
        "repeated": [[2, 3, 4], [2, 3, 4]],
        "count": 3,
        "nothing": np.zeros([0, 4]),
    }
    assert list(found) == list(expected)
    for name, value in expected.items():
        np.testing.assert_array_equal(found[name], value, err_msg=name)
    assert found["count"].shape == ()
    assert found["rows"].dtype == np.float32


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("wrapper", ["model", "state_dict"])
def test_a_checkpoint_of_more_than_weights_is_unwrapped(tmp_path, form, wrapper):
    tensors = {"module.conv.weight": whole("0", np.ones([1, 2], "f4"))}
    content = {"epoch": 3, wrapper: tensors, "optimizer": {"lr": 0.1}}
    found = torch_files.read(written(tmp_path, form(content)))
    np.testing.assert_array_equal(found["conv.weight"], [[1, 1]])


def test_bfloat16_is_the_upper_half_of_float32(tmp_path):
    halves = (np.array([1.0, -2.5], "f4").view("u4") >> 16).astype("u2")
    storage = Storage("0", halves, "BFloat16Storage")
    content = {"w": Tensor(storage, 0, (2,), (1,))}
    found = torch_files.read(written(tmp_path, as_archive(content)))
    np.testing.assert_array_equal(found["w"], np.array([1.0, -2.5], "f4"))


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    ("offset", "shape", "steps"),
    [(1, (3, 4), (4, 1)), (0, (2, 2), (11, 1)), (-1, (2,), (1,)), (0, (2,), (1, 1))],
)
def test_a_tensor_beyond_its_numbers_is_refused(tmp_path, form, offset, shape, steps):
    numbers = Storage("7", np.arange(12, dtype="f4"))
    path = written(tmp_path, form({"w": Tensor(numbers, offset, shape, steps)}))
    with pytest.raises(errors.WeightsError, match="a tensor of shape"):
        torch_files.read(path)


@pytest.mark.parametrize("form", FORMS)
def test_code_is_refused_by_name_and_not_run(tmp_path, form):
    marker = tmp_path / "was_run"

    class Bomb:
        def __reduce__(self):
            return os.system, (f"touch {marker}",)

    path = written(tmp_path, form({"w": whole("0", np.ones(2, "f4")), "x": Bomb()}))
    with pytest.raises(errors.WeightsError, match=r"posix\.system.*--torch-python"):
        torch_files.read(path)
    assert not marker.exists()


def test_a_call_of_a_name_that_only_tells_a_type_is_refused(tmp_path):
    content = b"\x80\x02ctorch\nFloatStorage\n(tR."
    path = written(tmp_path, content)
    with pytest.raises(errors.WeightsError):
        torch_files.read(path)


@pytest.mark.parametrize("form", FORMS)
def test_a_file_cut_off_anywhere_is_refused(tmp_path, form):
    content = form({"w": whole("0", np.ones(3, "f4"))})
    for size in range(len(content)):
        with pytest.raises(errors.WeightsError):
            torch_files.read(written(tmp_path, content[:size]))


@pytest.mark.parametrize(
    "content",
    [
        as_archive({}, byteorder="big"),
        as_stream({}, little_endian=False),
        b"not a checkpoint",
        b"",
        pickle.dumps({"w": [1]}),
    ],
)
def test_what_is_no_checkpoint_of_tensors_is_refused(tmp_path, content):
    with pytest.raises(
        errors.WeightsError, match=r"model\.pth (is not a|was not read)"
    ):
        torch_files.read(written(tmp_path, content))


def test_a_checkpoint_without_tensors_is_refused(tmp_path):
    with pytest.raises(errors.WeightsError, match="holds no named tensors"):
        torch_files.read(written(tmp_path, as_archive({"epoch": 3})))
