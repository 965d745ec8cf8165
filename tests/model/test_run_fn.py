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
