import json

import numpy as np
import pytest
from keras_tuner.src.engine import oracle as oracle_module

from foundation import artifact_paths, errors
from model import config, trials, tune_section

SETTINGS = config.TrainerConfig()


def tune(number=3, strategy="random", **more):
    return tune_section.TuneConfig.model_validate(
        {
            "trials": number,
            "strategy": strategy,
            "search": {
                "train.learning_rate": {"min": 1e-5, "max": 1e-2, "scale": "log"},
                **more,
            },
        }
    )


class Objective:
    """The higher the rate the better; fails as told, by the number of the call."""

    def __init__(self, failures=None):
        self.rates = []
        self.folders = []
        self.failures = failures or {}

    def __call__(self, settings, folder):
        number = len(self.rates)
        self.rates.append(settings.train.learning_rate)
        self.folders.append(folder)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "checkpoint").write_text("large")
        if number in self.failures:
            raise self.failures[number]
        return settings.train.learning_rate * 10


@pytest.fixture
def told(monkeypatch):
    lines = []
    monkeypatch.setattr(trials.progress, "tell", lines.append)
    return lines


def best(search):
    return search.get_best_hyperparameters()[0].values["train.learning_rate"]


@pytest.mark.parametrize("strategy", ["random", "bayesian"])
def test_the_best_values_are_those_of_the_highest_mask_ap(
    tmp_path, told, capsys, strategy
):
    objective, ends = Objective(), []
    search = trials.Trials(
        tune(5, strategy), SETTINGS, tmp_path, objective, lambda: ends.append(1)
    )
    search.search_space_summary()
    search.search()
    search.results_summary()
    assert len(set(objective.rates)) == 5
    assert best(search) == max(objective.rates)
    assert ends == [1]
    assert capsys.readouterr().out == ""
    assert told[0].startswith("trial 1 of 5: train.learning_rate ")
    assert told[0].endswith(f"mask AP {objective.rates[0] * 10:.3f}, the best")
    assert len(told) == 5


def test_a_seed_draws_the_same_values_and_another_draws_others(tmp_path, told):
    found = []
    for number, seed in enumerate((0, 0, 1)):
        objective = Objective()
        settings = tune().model_copy(update={"seed": seed})
        trials.Trials(settings, SETTINGS, tmp_path / str(number), objective).search()
        found.append(objective.rates)
    assert found[0] == found[1]
    assert set(found[0]).isdisjoint(found[2])


def test_checkpoints_of_a_trial_go_when_it_is_over(tmp_path, told):
    objective = Objective()
    trials.Trials(tune(), SETTINGS, tmp_path, objective).search()
    assert len(set(objective.folders)) == 3
    assert not any(folder.exists() for folder in objective.folders)


@pytest.mark.parametrize(
    "kind", [errors.TrialError, errors.ConfigError, errors.WeightsError]
)
def test_a_trial_that_fails_for_its_values_is_not_the_end_of_all(tmp_path, told, kind):
    fault = kind("losses are not finite")
    objective = Objective(dict.fromkeys(range(4), fault))
    search = trials.Trials(tune(5), SETTINGS, tmp_path, objective)
    search.search()
    assert best(search) == objective.rates[4]
    assert told[0].endswith("failed: losses are not finite")


def test_values_that_do_not_go_together_are_a_failed_trial(tmp_path, told):
    settings = tune(
        12,
        **{
            "train.batch_size": {"values": [1, 16]},
            "train.micro_batches": {"values": [1, 16]},
        },
    )
    search = trials.Trials(settings, SETTINGS, tmp_path, Objective())
    search.search()
    assert any("not divisible by micro_batches" in line for line in told)
    assert any("mask AP" in line for line in told)


def test_no_trial_that_came_to_an_end_is_an_error(tmp_path, told):
    ends = []
    search = trials.Trials(
        tune(2), SETTINGS, tmp_path, lambda *_: np.nan, lambda: ends.append(1)
    )
    with pytest.raises(errors.PipelineError, match="none of 2 .* undefined"):
        search.search()
    assert "mask AP is undefined" in told[0]
    assert not ends
    again = Objective()  # what was in the way may be gone
    trials.Trials(tune(2), SETTINGS, tmp_path, again).search()
    assert len(again.rates) == 2


@pytest.mark.parametrize("fault", [KeyboardInterrupt(), OSError("the disk is full")])
@pytest.mark.parametrize("at", [0, 1])
def test_what_interrupts_a_trial_is_raised_and_the_search_goes_on_from_there(
    tmp_path, told, fault, at
):
    objective = Objective({at: fault})
    with pytest.raises(type(fault)):
        trials.Trials(tune(), SETTINGS, tmp_path, objective).search()
    assert (objective.folders[at] / "checkpoint").exists()
    again = Objective()
    search = trials.Trials(tune(), SETTINGS, tmp_path, again)
    search.search()
    assert again.rates[0] == objective.rates[at], "the same trial"
    assert again.folders[0] == objective.folders[at]
    assert len(again.rates) == 3 - at
    whole = Objective()
    trials.Trials(tune(), SETTINGS, tmp_path / "whole", whole).search()
    assert whole.rates == objective.rates[:at] + again.rates
    assert best(search) == max(whole.rates)


class Killed(BaseException):
    """Stands for SIGKILL: nothing catches it on its way."""


def test_a_search_that_is_killed_at_any_write_goes_on(tmp_path, told, monkeypatch):
    whole = Objective()
    trials.Trials(tune(), SETTINGS, tmp_path / "whole", whole).search()
    write, counted = artifact_paths.write_whole, []

    def killed_at(number, is_after):
        def wrapped(path, content):
            counted.append(path)
            if is_after:
                write(path, content)
            if len(counted) == number:
                raise Killed
            if not is_after:
                write(path, content)

        return wrapped

    monkeypatch.setattr(trials.artifact_paths, "write_whole", killed_at(0, True))
    trials.Trials(tune(), SETTINGS, tmp_path / "counted", Objective()).search()
    writes = len(counted)
    assert writes > 6
    for number in range(1, writes + 1):
        for is_after in (False, True):
            place = tmp_path / f"{number}{is_after}"
            counted.clear()
            monkeypatch.setattr(
                trials.artifact_paths, "write_whole", killed_at(number, is_after)
            )
            with pytest.raises(Killed):
                trials.Trials(tune(), SETTINGS, place, Objective()).search()
            monkeypatch.setattr(trials.artifact_paths, "write_whole", write)
            _lock_is_free()
            search = trials.Trials(tune(), SETTINGS, place, Objective())
            search.search()
            tried = {
                trial.hyperparameters.values["train.learning_rate"]
                for trial in search.oracle.trials.values()
            }
            assert tried == set(whole.rates), (number, is_after)
            assert best(search) == max(whole.rates)


def _lock_is_free():
    """keras-tuner's locks are of the process, which a real kill would end."""
    for lock in oracle_module.LOCKS.values():
        if lock.locked():
            lock.release()
    for oracle in oracle_module.THREADS:
        oracle_module.THREADS[oracle] = None


def test_a_finished_search_makes_no_trial_again(tmp_path, told):
    trials.Trials(tune(), SETTINGS, tmp_path, Objective()).search()
    again = Objective()
    search = trials.Trials(tune(), SETTINGS, tmp_path, again)
    search.search()
    assert again.rates == []
    assert json.dumps(search.get_best_hyperparameters()[0].get_config())


def test_the_space_is_that_of_the_section():
    settings = tune(
        **{
            "train.batch_size": {"min": 2, "max": 8, "step": 2},
            "train.augment.max_scale": {"min": 1, "max": 2},
            "train.augment.copy_paste": {"min": 0, "max": 0.6, "step": 0.2},
            "train.schedule": {"values": ["step", "cosine"]},
        }
    )
    found = {each.name: each for each in trials.space(settings, SETTINGS).space}
    rate, batch = found["train.learning_rate"], found["train.batch_size"]
    assert (rate.min_value, rate.max_value, rate.sampling) == (1e-5, 1e-2, "log")
    assert list(batch.values) == [2, 4, 6, 8]
    assert found["train.augment.copy_paste"].values == [0.0, 0.2, 0.4, 0.6]
    drawn = found["train.augment.max_scale"].prob_to_value(0.5)
    assert drawn == pytest.approx(1.5)
    assert found["train.schedule"].values == ["step", "cosine"]
