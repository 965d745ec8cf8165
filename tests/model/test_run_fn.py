import json
import pathlib
import types

from model import config, run_fn


def test_files_and_graph_of_tfx_stand_for_what_is_trained_on():
    settings = config.TrainerConfig.model_validate({"train": {"steps": 7}})
    call = types.SimpleNamespace(
        custom_config={"config": settings.model_dump_json(), "info": {"a": "b"}},
        train_files=["x/Split-train/*"],
        eval_files=None,
        hyperparameters=None,
        transform_graph_path="graph/3",
    )
    found = run_fn.order(call)
    assert found.settings == settings
    assert found.info == {"a": "b"}
    assert (found.train_files, found.eval_files) == (["x/Split-train/*"], [])
    assert found.examples_name == ["x/Split-train/*"]
    assert found.transform_graph == pathlib.Path(found.graph_name)
    call.eval_files = ["x/Split-eval/*"]
    call.custom_config = {"config": json.dumps({})}
    assert run_fn.order(call).examples_name == ["x/Split-train/*", "x/Split-eval/*"]
    assert run_fn.order(call).info == {}


def test_best_values_of_a_tuner_are_trained_with_and_told_by_the_model():
    settings = config.TrainerConfig.model_validate({"train": {"steps": 7}})
    origin = {"data": {"seed": 1}, "train": {"steps": 7, "learning_rate": 0.1}}
    call = types.SimpleNamespace(
        custom_config={
            "config": settings.model_dump_json(),
            "info": {"config": json.dumps(origin), "code_digest": "a"},
        },
        hyperparameters={"space": [], "values": {"train.learning_rate": 0.25}},
        train_files=["x/*"],
        eval_files=None,
        transform_graph_path="graph/3",
    )
    found = run_fn.order(call)
    assert (found.settings.train.learning_rate, found.settings.train.steps) == (0.25, 7)
    told = json.loads(found.info["config"])
    assert told["train"] == {"steps": 7, "learning_rate": 0.25}
    assert (told["data"], found.info["code_digest"]) == ({"seed": 1}, "a")
