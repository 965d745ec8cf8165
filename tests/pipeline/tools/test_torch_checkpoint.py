import importlib.util
import os
import pathlib
import pickle
import subprocess
import sys

import numpy as np
import pytest

import pipeline.tools

SCRIPT = pathlib.Path(pipeline.tools.__path__[0]) / "torch_checkpoint.py"
# PyTorch is no dependency. This has the calls the script makes and their refusals.
TORCH = """
import pickle
class Tensor:
    def __init__(self, value): self.value = value
    def float(self): return Tensor(self.value.astype("float32"))
    def numpy(self): return self.value
class Reader(pickle.Unpickler):
    def find_class(self, module, name):
        if module == "torch" or module.startswith("numpy"):
            return super().find_class(module, name)
        why = f"Unsupported global: GLOBAL {module}.{name} was not an allowed global"
        raise pickle.UnpicklingError(why + "; set weights_only=False")
def load(path, map_location, weights_only):
    assert weights_only and map_location == "cpu"
    with path.open("rb") as file:
        return Reader(file).load()
"""


@pytest.fixture
def torch(tmp_path, monkeypatch):
    path = tmp_path / "torch.py"
    path.write_text(TORCH)
    spec = importlib.util.spec_from_file_location("torch", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setitem(sys.modules, "torch", module)  # for pickling its tensors
    return module


def converted(folder, content):
    """Runs the script where this package cannot be imported."""
    source, out = folder / "checkpoint.pth", folder / "out.npz"
    source.write_bytes(pickle.dumps(content))
    done = subprocess.run(
        [sys.executable, "-P", str(SCRIPT), str(source), str(out)],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )
    return done, out


@pytest.mark.parametrize("wrapper", [None, "model", "state_dict", "model_state_dict"])
def test_tensors_are_written_as_float32_under_their_own_names(torch, tmp_path, wrapper):
    half = torch.Tensor(np.array([0.5, -2.0], np.float16))
    whole = torch.Tensor(np.arange(6).reshape(2, 3))
    weights = {"module.a.weight": half, "b.module.bias": whole, "epoch": 3}
    content = weights if wrapper is None else {wrapper: weights, "epoch": 4}
    done, out = converted(tmp_path, content)
    assert (done.returncode, done.stderr) == (0, "")
    with np.load(out, allow_pickle=False) as arrays:
        assert sorted(arrays) == ["a.weight", "b.module.bias"]
        assert {arrays[name].dtype for name in arrays} == {np.dtype(np.float32)}
        assert arrays["a.weight"].tolist() == [0.5, -2.0]
        assert arrays["b.module.bias"].tolist() == [[0, 1, 2], [3, 4, 5]]


def test_a_call_in_the_file_is_named_and_the_way_to_allow_it_is_not(torch, tmp_path):
    marker = tmp_path / "was_run"

    class Bomb:
        def __reduce__(self):
            return os.system, (f"touch {marker}",)

    done, out = converted(tmp_path, {"model": Bomb()})
    assert done.returncode == 2
    assert "asks for posix.system, which the weights-only reader" in done.stderr
    assert "weights_only=False" not in done.stderr
    assert not marker.exists()
    assert not out.exists()


@pytest.mark.parametrize("content", [{}, {"model": {"epoch": 3}}, [1.5]])
def test_a_file_without_named_tensors_is_refused(torch, tmp_path, content):
    done, out = converted(tmp_path, content)
    assert done.returncode == 2
    assert done.stderr == "it holds no named tensors\n"
    assert not out.exists()
