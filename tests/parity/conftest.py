import pathlib
import sys

import numpy as np
import pytest

FIXTURES = pathlib.Path(__file__).with_name("fixtures")
TOOLS = pathlib.Path(__file__).parents[2] / "tools"


def load(folder: str) -> dict[str, np.ndarray]:
    with np.load(FIXTURES / folder / "reference.npz", allow_pickle=False) as file:
        return dict(file)


@pytest.fixture(scope="session")
def fixtures():
    return FIXTURES


@pytest.fixture(scope="session")
def tools():
    """The modules of tools/ that need no PyTorch."""
    sys.path.insert(0, str(TOOLS))
    try:
        import authors_names
        import our_model
        import parity
        import seeded_weights
    finally:
        sys.path.remove(str(TOOLS))
    return {
        "authors_names": authors_names,
        "our_model": our_model,
        "parity": parity,
        "seeded_weights": seeded_weights,
    }


@pytest.fixture(scope="session")
def compare(tools):
    return tools["parity"]


@pytest.fixture(scope="session")
def reference():
    """What PyTorch computed with the weights beside it."""
    return load("network")


@pytest.fixture(scope="session")
def network(tools):
    """Ours, with the weights of the Hugging Face checkpoint."""
    return tools["our_model"].load_network(FIXTURES / "network" / "model.safetensors")


@pytest.fixture(scope="session")
def ours(tools, network, reference):
    return tools["our_model"].run(network, reference)
