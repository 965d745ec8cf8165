import json
import types

import pytest

from foundation import errors
from model import config, tune_fn, tune_section
from model.train import unfinished

TUNE = {"trials": 2, "search": {"train.learning_rate": {"min": 0.1, "max": 0.2}}}


def call(root, tune, eval_files):
    return types.SimpleNamespace(
        custom_config={
            "config": config.TrainerConfig().model_dump_json(),
            "tune": tune_section.TuneConfig.model_validate(tune).model_dump_json(),
            "info": {"code_digest": "abc"},
        },
        hyperparameters=None,
        train_files=["x/Split-train/*"],
        eval_files=eval_files,
        transform_graph_path="graph/3",
        working_dir=f"{root}/Tuner/.system/executor_execution/7/.temp/7/",
    )


@pytest.fixture
def eval_files(tmp_path):
    (tmp_path / "eval.gz").touch()
    return [f"{tmp_path}/eval*"]


def test_without_an_eval_split_there_is_nothing_to_compare_by(tmp_path):
    for files in (None, [f"{tmp_path}/none*"]):
        with pytest.raises(errors.ConfigError, match="no eval split"):
            tune_fn.tuner_fn(call(tmp_path, TUNE, files))


def test_a_search_has_a_folder_of_its_own_that_outlives_an_execution(
    tmp_path, eval_files
):
    def folder_of(tune):
        return tune_fn.tuner_fn(call(tmp_path, tune, eval_files)).tuner.directory

    first = folder_of(TUNE)
    assert first.startswith(f"{tmp_path}/Tuner/unfinished/")
    assert folder_of(TUNE) == first
    assert folder_of({**TUNE, "seed": 3}) != first


def test_a_search_that_is_over_leaves_its_folder_until_the_node_is_complete(
    tmp_path, eval_files, monkeypatch
):
    monkeypatch.setattr(tune_fn, "_mask_ap", lambda order, settings, folder: 0.5)
    found = tune_fn.tuner_fn(call(tmp_path, TUNE, eval_files))
    found.tuner.search(**found.fit_kwargs)
    folder = tmp_path / "Tuner" / "unfinished"
    (search,) = folder.iterdir()
    assert json.loads((search / "handed_over.json").read_text()) == {"execution": "7"}
    unfinished.forget(tmp_path / "Tuner", 6)
    assert search.is_dir()
    unfinished.forget(tmp_path / "Tuner", 7)
    assert not search.exists()
