import inspect
import pickle

import pytest

from foundation import errors

ALL = dict(inspect.getmembers(errors, inspect.isclass))
OF_USERS = [kind for kind in ALL.values() if issubclass(kind, errors.UserError)]


def test_every_error_but_those_of_the_work_is_for_the_user_to_put_right():
    # The command line ends with 2 for these and with 1 for the others.
    assert set(ALL.values()) - set(OF_USERS) == {
        errors.PipelineError,
        errors.TrialError,
        errors.Interrupted,
    }
    assert len(OF_USERS) > 1


def test_no_error_is_caught_with_those_of_python():
    # `except OSError` or `except ValueError` around a library must let ours pass.
    above = {base for kind in ALL.values() for base in kind.__mro__}
    assert above - set(ALL.values()) == {Exception, BaseException, object}


def test_errors_of_one_matter_are_not_caught_with_those_of_another():
    apart = [kind for kind in OF_USERS if kind is not errors.UserError]
    related = [(a, b) for a in apart for b in apart if a is not b and issubclass(a, b)]
    assert related == []


@pytest.mark.parametrize("kind", ALL.values(), ids=ALL)
def test_the_message_survives_the_way_out_of_another_process(kind):
    # Ingestion works in processes, whose errors are pickled.
    message = "a.json: annotation 7 has no segmentation.\nDrop it."
    found = pickle.loads(pickle.dumps(kind(message)))  # noqa: S301
    assert type(found) is kind
    assert str(found) == message


@pytest.mark.parametrize("kind", ALL.values(), ids=ALL)
def test_every_class_says_what_it_stands_for(kind):
    assert len(inspect.getdoc(kind).splitlines()[0]) > 20
    assert kind.__doc__ != kind.__base__.__doc__
