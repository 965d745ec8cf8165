import collections
import os
import pickle

import numpy as np
import pytest

from foundation import errors
from model.weights import weights_pickle


class Calls:
    """Pickles as a call of something."""

    def __init__(self, function, *arguments):
        self.call = (function, arguments)

    def __reduce__(self):
        return self.call


def written(tmp_path, content: bytes):
    path = tmp_path / "x.pkl"
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_dictionaries_of_arrays_are_read_as_pickle_would(tmp_path, protocol):
    content = {
        "model": collections.OrderedDict(
            float32=np.arange(6, dtype=np.float32).reshape(2, 3),
            float16=np.array([0.5, -2.0], np.float16),
            fortran=np.asfortranarray(np.arange(6.0).reshape(2, 3)),
            big_endian=np.array([1, 2], ">i4"),
            scalar=np.float64(0.25),
            nothing=np.zeros([0, 4], np.int64),
        ),
        "__author__": "somebody",
        "numbers": [1, -70_000, 2**40, 2.5, True, None, (1, 2, 3, 4), ()],
        "bytes": b"\x00\xff",
        "same": [],
    }
    content["same"] = [content["numbers"]] * 2
    path = written(tmp_path, pickle.dumps(content, protocol))
    found = weights_pickle.read(path)
    arrays, expected = found.pop("model"), content.pop("model")
    assert found == content
    assert list(arrays) == list(expected)
    for name, value in expected.items():
        assert arrays[name].dtype == value.dtype
        np.testing.assert_array_equal(arrays[name], value)


def test_python_2_texts_are_read(tmp_path):
    # {"a": 7} as Python 2 wrote it: PROTO 2, EMPTY_DICT, SHORT_BINSTRING, BININT1
    path = written(tmp_path, b"\x80\x02}U\x01aK\x07s.")
    assert weights_pickle.read(path) == {"a": 7}


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("nested", [False, True])
def test_code_is_refused_by_name_and_not_run(tmp_path, protocol, nested):
    marker = tmp_path / "was_run"
    bomb = Calls(os.system, f"touch {marker}")
    content = {"model": {"w": np.ones(3), "x": bomb}} if nested else bomb
    path = written(tmp_path, pickle.dumps(content, protocol))
    with pytest.raises(errors.WeightsError, match=r"the name (posix|nt)\.system"):
        weights_pickle.read(path)
    assert not marker.exists()


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (pickle.dumps(Calls(eval, "1")), r"builtins\.eval"),
        (pickle.dumps(Calls(getattr, 1, "real")), r"builtins\.getattr"),
        (pickle.dumps(np.random.default_rng), r"numpy\.random"),
        (b"ctorch._utils\n_rebuild_tensor_v2\n.", r"torch\._utils\._rebuild_tensor_v2"),
        (b"(ios\nsystem\n.", "INST"),
        (b"(cnumpy\nndarray\no.", "OBJ"),
        (b"cnumpy\nndarray\n)\x81.", "NEWOBJ"),
        (b"Pweights\n.", "PERSID"),
        (b"\x82\x01.", "EXT1"),
        (b"K\x01K\x02\x85R.", "a call of 1"),
        (b"K\x01}b.", "a change of 1"),
    ],
)
def test_what_data_does_not_need_is_refused(tmp_path, content, what):
    with pytest.raises(errors.WeightsError, match=what):
        weights_pickle.read(written(tmp_path, content))


def test_arrays_of_objects_are_refused(tmp_path):
    content = pickle.dumps(np.array([1, "a"], object))
    with pytest.raises(errors.WeightsError, match="an array of type 'O8'"):
        weights_pickle.read(written(tmp_path, content))


@pytest.mark.parametrize("protocol", [2, 4, 5])
def test_a_file_cut_off_anywhere_is_refused(tmp_path, protocol):
    content = pickle.dumps({"a": np.ones(3), "b": [1]}, protocol)
    for size in range(len(content)):
        with pytest.raises(errors.WeightsError):
            weights_pickle.read(written(tmp_path, content[:size]))


@pytest.mark.parametrize(
    "content",
    [
        b"not a pickle",
        b".",  # an empty stack
        b"h\x05.",  # nothing there in the memo
        b"e.",  # a mark is missing
        b"(K\x01d.",  # a key without a value
        b"]K\x01K\x02s.",  # an item set in a list
        b"cnumpy\nndarray\n)R.",  # the array type, called
    ],
)
def test_a_program_that_does_not_work_is_refused(tmp_path, content):
    with pytest.raises(errors.WeightsError):
        weights_pickle.read(written(tmp_path, content))


@pytest.mark.parametrize("content", [b"hello, this is text", b"see other\n"])
def test_a_text_is_refused_in_words_a_user_knows(tmp_path, content):
    with pytest.raises(errors.WeightsError) as refused:
        weights_pickle.read(written(tmp_path, content))
    assert "a file of another kind" in str(refused.value)
    assert "Expected a Detectron2 checkpoint" in str(refused.value)


def test_an_array_with_too_few_bytes_is_refused(tmp_path):
    content = pickle.dumps(np.ones(3, np.float32), 4).replace(
        b"K\x03\x85", b"K\x04\x85"
    )
    with pytest.raises(errors.WeightsError, match=r"shape \(4,\) has 12 bytes"):
        weights_pickle.read(written(tmp_path, content))
