import inspect

import pytest

from pipeline import clean_ups
from pipeline.nodes import clean_up

ACTIONS = [name for name in vars(clean_up.CleanUp) if not name.startswith("_")]


def test_a_node_can_take_back_and_forget():
    assert sorted(ACTIONS) == ["forget", "undo"]


@pytest.mark.parametrize("node_id", clean_ups.BY_NODE)
@pytest.mark.parametrize("action", ACTIONS)
def test_every_clean_up_is_called_as_the_protocol_says(node_id, action):
    _, *wanted = inspect.signature(getattr(clean_up.CleanUp, action)).parameters
    given = inspect.signature(getattr(clean_ups.BY_NODE[node_id], action)).parameters
    assert list(given) == wanted


@pytest.mark.parametrize("node_id", clean_ups.BY_NODE)
def test_an_execution_that_did_nothing_leaves_nothing_to_take_back(node_id, tmp_path):
    (tmp_path / "pushed_model" / "7").mkdir(parents=True)
    for action in ACTIONS:
        getattr(clean_ups.BY_NODE[node_id], action)(tmp_path, 7)
        getattr(clean_ups.BY_NODE[node_id], action)(tmp_path, 7)
    assert (tmp_path / "pushed_model" / "7").is_dir()
