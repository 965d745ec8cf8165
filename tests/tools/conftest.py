import pathlib
import sys

import numpy as np
import pytest

FIXTURES = pathlib.Path(__file__).parents[1] / "parity" / "fixtures"
TOOLS = pathlib.Path(__file__).parents[2] / "tools"


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
def recorded():
    """What tools/recorder.py kept of the small reference."""
    path = FIXTURES / "network" / "reference.npz"
    with np.load(path, allow_pickle=False) as file:
        return dict(file)
