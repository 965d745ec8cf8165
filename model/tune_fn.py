"""Tuner's entry point: examples and a transform graph in, the best values out."""

import dataclasses
from collections.abc import Mapping

import keras
from tfx.components.trainer import fn_args_utils
from tfx.components.tuner import component

from foundation import artifact_paths, errors
from model import config, run_fn, training, trials, tune_section
from model.train import unfinished

_SYSTEM_FOLDER = ".system"  # TFX's, below the folder of a node


def tuner_fn(fn_args: fn_args_utils.FnArgs) -> component.TunerFnResult:
    """What TFX calls `search` of.

    `custom_config` holds what `run_fn.run_fn` takes, the settings those of a trial, and
    `tune`, a `tune_section.TuneConfig` as JSON.

    Raises:
        ConfigError: there is no eval split to judge by.
    """
    order = run_fn.order(fn_args)
    if not training.files_of(order.eval_files):
        raise errors.ConfigError(
            "tune.trials are compared by mask AP, and the data has no eval split. Set "
            "data.eval_fraction, or tune.trials to 0."
        )
    as_json = fn_args.custom_config["tune"]
    tune = tune_section.TuneConfig.model_validate_json(as_json)
    node_folder, execution = _place(fn_args.working_dir)
    folder = unfinished.folder_of(node_folder, _description(order, as_json))
    search = trials.Trials(
        tune,
        order.settings,
        folder,
        lambda settings, place: _mask_ap(order, settings, place),
        lambda: unfinished.mark_done(folder, execution),
    )
    return component.TunerFnResult(tuner=search, fit_kwargs={})


def _mask_ap(
    order: training.Order, settings: config.TrainerConfig, folder: artifact_paths.Path
) -> float:
    """Trains, and gives the mask AP of the best step; NaN if none was judged."""
    # Networks of earlier trials go, and names are counted anew.
    keras.utils.clear_session()
    made = training.Training(dataclasses.replace(order, settings=settings))
    best = made.run(folder).result.exported
    return best.mask_ap if best else float("nan")


def _description(order: training.Order, tune: str) -> Mapping[str, str | list[str]]:
    """All that a search depends on."""
    return {
        "settings": order.settings.model_dump_json(),
        "tune": tune,
        "examples": list(order.examples_name),
        "graph": order.graph_name,
        **order.info,
    }


def _place(working_dir: str) -> tuple[artifact_paths.Path, str]:
    """Folder of the node and id of the execution.

    Of `<pipeline root>/Tuner/.system/executor_execution/<id>/.temp/...`.
    """
    path = artifact_paths.of(working_dir)
    system = next(each for each in path.parents if each.name == _SYSTEM_FOLDER)
    return system.parent, path.relative_to(system).parts[1]
