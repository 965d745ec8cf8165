import copy

import pytest

from foundation import errors
from pipeline.cluster import run_overrides

WORKERS = {"name": "big", "train": {"distribution": "multi_worker"}}


def refusal(override, values=None):
    with pytest.raises(errors.ConfigError) as caught:
        run_overrides.settings(values or {}, [override], "p.yaml")
    return str(caught.value)


def test_values_are_overridden_and_what_was_compiled_stays_as_it_is():
    values = {"train": {"steps": 5}}
    before = copy.deepcopy(values)
    found = run_overrides.settings(values, ["train.steps=7", "name=a"], "p.yaml")
    assert (found.train.steps, found.name) == (7, "a")
    assert values == before


@pytest.mark.parametrize(
    "override", ["kubeflow.image=x", " kubeflow.nodes.Trainer.cpu=4", "kubeflow={}"]
)
def test_pods_are_not_changed_any_more(override):
    assert "pods were laid down when the pipeline was compiled" in refusal(override)


def test_a_training_of_several_pods_is_chosen_when_it_is_compiled():
    message = refusal("train.distribution=multi_worker")
    assert "--set train.distribution=multi_worker: was none" in message
    message = refusal("train.distribution=mirrored", WORKERS)
    assert "--set train.distribution=mirrored: was multi_worker" in message
    one_pod = run_overrides.settings({}, ["train.distribution=mirrored"], "p.yaml")
    assert one_pod.train.distribution == "mirrored"


def test_workers_wait_under_the_name_that_was_compiled():
    assert "--set name=small: was big" in refusal("name=small", WORKERS)
    found = run_overrides.settings(WORKERS, ["train.steps=7"], "p.yaml")
    assert found.train.steps == 7


def test_a_secret_in_an_override_is_refused_and_not_repeated():
    message = refusal("run.beam_args=[--s3_secret_access_key=hunter2]")
    assert "run.beam_args --s3_secret_access_key: looks like a secret" in message
    assert "hunter2" not in message
