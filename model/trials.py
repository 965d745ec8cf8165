"""Trials of a search: keras-tuner chooses the values, a training judges them.

A trial that was made is not made again, and one that was interrupted goes on: both are
kept in the folder of the search.
"""

import json
import math
from collections.abc import Callable, Mapping
from typing import Any

import keras_tuner
import numpy as np
import pydantic
from keras_tuner.engine import base_tuner
from keras_tuner.engine import trial as trial_module

from foundation import artifact_paths, errors, progress
from model import config, tune_section

OBJECTIVE = "mask_ap"
_PROJECT = "search"
_TRAINING = "training"
# What other values may do better: too high a rate, a batch that the devices cannot
# share, a network that does not take the weights.
_OF_THE_VALUES = (
    errors.TrialError,
    errors.ConfigError,
    errors.WeightsError,
    pydantic.ValidationError,
)

# Trains on settings in a folder and gives the mask AP of the best step.
Judged = Callable[[config.TrainerConfig, artifact_paths.Path], float]


class _WrittenWhole(keras_tuner.Oracle):
    """An oracle whose files are whole whenever the process is killed.

    keras-tuner writes them in place, and cannot read half of one.
    """

    def save(self) -> None:
        _write(self._get_oracle_fname(), self)

    def _save_trial(self, trial: trial_module.Trial) -> None:
        folder = artifact_paths.of(self._get_trial_dir(trial.trial_id))
        _write(str(folder / "trial.json"), trial)


class _Random(_WrittenWhole, keras_tuner.oracles.RandomSearchOracle):
    """Draws values by lot."""


class _Bayesian(_WrittenWhole, keras_tuner.oracles.BayesianOptimizationOracle):
    """Draws values where earlier trials promise most."""


class Trials(base_tuner.BaseTuner):
    """A search, to be called by TFX's Tuner.

    Args:
        settings: of a trial, but for what is searched.
        folder: of this search alone.
        judged: makes a trial.
        is_over: called when all trials were made.
    """

    def __init__(
        self,
        tune: tune_section.TuneConfig,
        settings: config.TrainerConfig,
        folder: artifact_paths.Path,
        judged: Judged,
        is_over: Callable[[], None] = lambda: None,
    ):
        self._settings = settings
        self._root = folder
        self._judged = judged
        self._is_over = is_over
        self._reason = "see the log"
        super().__init__(
            oracle=_oracle(tune, settings),
            directory=str(folder),
            project_name=_PROJECT,
        )
        self._forget_half_begun()

    def search(self, *arguments: Any, **named: Any) -> None:
        """Makes all trials that are not made yet.

        Raises:
            PipelineError: no trial came to an end.
            Exception: what ended a trial, unless other values may do better.
        """
        try:
            super().search(*arguments, **named)
        except keras_tuner.errors.FatalError as error:
            raise error.__cause__ or error from None
        if self._best() is None:
            # What failed may do better when it is asked for again: memory is free now.
            artifact_paths.remove_tree(self._root, missing_ok=True)
            raise errors.PipelineError(
                f"none of {len(self.oracle.trials)} trials came to an end, the last "
                f"because: {self._reason}. Change what tune.search has of it, free "
                "memory, or raise tune.steps; the search begins anew."
            )
        self._is_over()

    def on_search_begin(self) -> None:
        # Else keras-tuner would not find a first trial that was interrupted.
        self.save()

    def save(self) -> None:
        self.oracle.save()
        _write(self._get_tuner_fname(), self)

    def run_trial(self, trial: trial_module.Trial, **_: Any) -> dict[str, float]:
        """Trains with the values of a trial; `mask_ap`."""
        values = dict(trial.hyperparameters.values)
        what = f"trial {int(trial.trial_id) + 1} of {self.oracle.max_trials}"
        what = f"{what}: {tune_section.told(values)}"
        try:
            mask_ap = self._mask_ap(trial, values)
            before = self._best()
            best = ", the best" if before is None or mask_ap > before else ""
            progress.tell(f"{what}: mask AP {mask_ap:.3f}{best}")
            return {OBJECTIVE: mask_ap}
        except _OF_THE_VALUES as error:
            reason = " ".join(str(error).split())
            self._reason = reason.rstrip(".")
            progress.tell(f"{what}: failed: {reason}")
            raise keras_tuner.errors.FailedTrialError(reason) from error
        except Exception as error:
            # Others would be counted as failed, too: a full disk, a bug.
            raise keras_tuner.errors.FatalError(str(error)) from error

    def on_trial_end(self, trial: trial_module.Trial) -> None:
        super().on_trial_end(trial)
        # Checkpoints of every trial would fill the disk.
        artifact_paths.remove_tree(self._folder(trial), missing_ok=True)

    def search_space_summary(self, extended: bool = False) -> None:
        """Nothing: the configuration says it."""

    def results_summary(self, num_trials: int = 10) -> None:
        """Nothing: every trial was told."""

    def _forget_half_begun(self) -> None:
        """Trials that were written down in the moment before the oracle knew them.

        They would be counted and never made.
        """
        for trial_id in set(self.oracle.trials) - set(self.oracle.start_order):
            del self.oracle.trials[trial_id]

    def _mask_ap(self, trial: trial_module.Trial, values: Mapping[str, Any]) -> float:
        settings = tune_section.overlaid(self._settings, values)
        mask_ap = self._judged(settings, self._folder(trial))
        if not np.isfinite(mask_ap):
            raise errors.TrialError(f"mask AP is undefined ({mask_ap})")
        return mask_ap

    def _folder(self, trial: trial_module.Trial) -> artifact_paths.Path:
        return artifact_paths.of(self.get_trial_dir(trial.trial_id)) / _TRAINING

    def _best(self) -> float | None:
        """The best mask AP of the trials that came to an end."""
        for trial in self.oracle.get_best_trials():
            is_done = trial.status == trial_module.TrialStatus.COMPLETED
            if is_done and trial.score is not None:
                return float(trial.score)
        return None


def _oracle(
    tune: tune_section.TuneConfig, settings: config.TrainerConfig
) -> keras_tuner.Oracle:
    kind = {"random": _Random, "bayesian": _Bayesian}[tune.strategy]
    found = kind(
        objective=keras_tuner.Objective(OBJECTIVE, "max"),
        max_trials=tune.trials,
        hyperparameters=space(tune, settings),
        seed=_spread(tune.seed),
        # A failed trial is one value less, however many there were in a row.
        max_consecutive_failed_trials=tune.trials + 1,
    )
    found.verbose = 0
    return found


def _write(
    place: str, kept: keras_tuner.Oracle | base_tuner.BaseTuner | trial_module.Trial
) -> None:
    content = json.dumps(kept.get_state()).encode()
    artifact_paths.write_whole(artifact_paths.of(place), content)


def _spread(seed: int) -> int:
    """keras-tuner counts a seed up trial by trial, and takes 0 for none."""
    (state,) = np.random.SeedSequence(seed).generate_state(1)
    return int(state) // 2 + 1


def space(
    tune: tune_section.TuneConfig, settings: config.TrainerConfig
) -> keras_tuner.HyperParameters:
    """What is searched, in keras-tuner's words.

    Raises:
        ValueError: see `tune_section.typed`.
    """
    found = keras_tuner.HyperParameters()
    for key, search in tune.search.items():
        tried = tune_section.typed(settings, key, search)
        if not tried.is_range:
            found.Choice(key, list(tried.values))
            continue
        low, high = tried.values
        if isinstance(low, float) and search.step and search.scale == "linear":
            # keras-tuner's own count loses the upper end to rounding.
            found.Choice(key, _steps(low, high, search.step), ordered=True)
            continue
        draw = found.Int if isinstance(low, int) else found.Float
        step = search.step and type(low)(search.step)
        draw(key, low, high, step=step, sampling=search.scale)
    return found


def _steps(low: float, high: float, step: float) -> list[float]:
    """From `low` in steps, `high` included if a step ends there."""
    count = math.floor((high - low) / step + 1e-8) + 1
    return [min(round(low + place * step, 12), high) for place in range(count)]
