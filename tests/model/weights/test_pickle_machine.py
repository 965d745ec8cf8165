"""The machine itself; what files ask of it is in the tests of those who read them."""

import io
import pathlib
import pickle

import pytest

from foundation import errors
from model.weights import pickle_machine

PATH = pathlib.Path("x.pkl")


def vocabulary(**changes):
    return pickle_machine.Vocabulary(
        **{"makers": {}, "expected": "Expected something else.", **changes}
    )


class Later(pickle_machine.UnderConstruction):
    """Finished as what it was changed to."""

    state = None

    def change(self, state):
        self.state = state

    def finished(self):
        return self.state


def test_several_pickles_of_a_stream_are_read_one_after_the_other():
    stream = io.BytesIO(pickle.dumps([1]) + pickle.dumps({"a": 2}) + b"rest")
    found = [pickle_machine.follow(PATH, stream, vocabulary()) for _ in range(2)]
    assert found == [[1], {"a": 2}]
    assert stream.read() == b"rest"


def test_a_name_is_what_its_vocabulary_says_and_finished_at_the_end():
    content = b"cplace\nthing\n(tR(K\x05tb."  # thing(), then its state (5,)
    makers = {pickle_machine.Name("place", "thing"): Later}
    found = pickle_machine.follow(PATH, io.BytesIO(content), vocabulary(makers=makers))
    assert pickle_machine.plain({"a": [found]}) == {"a": [(5,)]}


def test_what_lies_outside_is_asked_of_the_vocabulary_or_refused():
    content = b"K\x07Q."  # BINPERSID of 7
    told = vocabulary(persistent=lambda identity: identity + 1)
    assert pickle_machine.follow(PATH, io.BytesIO(content), told) == 8
    with pytest.raises(errors.WeightsError, match=r"BINPERSID.*Expected something"):
        pickle_machine.follow(PATH, io.BytesIO(content), vocabulary())


def test_a_name_that_may_stand_there_may_not_be_called():
    names = {pickle_machine.Name("place", "kind")}
    told = vocabulary(names=names)
    found = pickle_machine.follow(PATH, io.BytesIO(b"cplace\nkind\n."), told)
    assert str(found) == "place.kind"
    with pytest.raises(KeyError):
        pickle_machine.follow(PATH, io.BytesIO(b"cplace\nkind\n(tR."), told)
    with pytest.raises(errors.WeightsError, match=r"the name place\.other"):
        pickle_machine.follow(PATH, io.BytesIO(b"cplace\nother\n."), told)


@pytest.mark.parametrize(
    ("raised", "message"),
    [
        (ValueError("3 bytes short"), "x.pkl is not a cake: 3 bytes short. Bake it."),
        (KeyError("x"), "x.pkl is not a cake: its instructions do not fit together"),
        (RecursionError(), "nested too deep"),
    ],
)
def test_what_is_wrong_with_a_file_is_said_in_words(raised, message):
    expected = pytest.raises(errors.WeightsError, match=message)
    with expected, pickle_machine.reading(PATH, "a cake", "Bake it."):
        raise raised
