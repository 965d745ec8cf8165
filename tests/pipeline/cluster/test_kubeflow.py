import json
import pathlib
import subprocess
import sys

import compiled_kfp
import pytest
from kfp import components

from foundation import errors
from pipeline.cluster import kubeflow, kubeflow_names
from pipeline.settings import config_file

JOB_ID = "{{$.pipeline_job_uuid}}"


def test_the_edges_are_those_of_the_graph_and_all_begins_with_prepare(
    compiled, upstream
):
    names = {node_id: kubeflow_names.task_name(node_id) for node_id in upstream}
    assert set(compiled.tasks) == {"prepare", *names.values()}
    assert "dependentTasks" not in compiled.tasks["prepare"]
    for node_id, before in upstream.items():
        wanted = {"prepare", *(names[name] for name in before)}
        assert set(compiled.tasks[names[node_id]]["dependentTasks"]) == wanted, node_id


def test_tasks_are_shown_by_the_name_they_are_looked_up_by(compiled):
    # KFP servers until 2.5 do not find the outputs of a task with another name.
    for name, task in compiled.tasks.items():
        assert task["taskInfo"]["name"] == name


def test_kfps_cache_is_off_for_every_task(compiled):
    for name, task in compiled.tasks.items():
        assert not task["cachingOptions"].get("enableCache", False), name


def test_the_run_id_is_a_task_input_and_nothing_but_that(compiled):
    for name, task in compiled.tasks.items():
        run_id = task["inputs"]["parameters"]["run_id"]
        assert run_id == {"runtimeValue": {"constant": JOB_ID}}, name
    assert compiled.text.count(JOB_ID) == len(compiled.tasks)


def test_the_form_shows_data_overrides_and_run_name(compiled):
    parameters = compiled.spec["root"]["inputDefinitions"]["parameters"]
    defaults = {key: value["defaultValue"] for key, value in parameters.items()}
    assert defaults == {"data": "/mnt/pipeline/data", "overrides": "", "run_name": ""}
    for name in defaults:
        given = compiled.tasks["prepare"]["inputs"]["parameters"][name]
        assert given == {"componentInputParameter": name}


def test_prepare_gets_the_configuration_and_the_digest_of_this_graph(compiled):
    embedded = json.loads(compiled.argument("prepare", "--config-json"))
    read = config_file.from_values(embedded, [], "embedded")
    assert read.model_dump(exclude={"kubeflow"}) == compiled_kfp.settings().model_dump(
        exclude={"kubeflow"}
    )
    digest = compiled.argument("prepare", "--graph-digest")
    assert digest == kubeflow.dag_of(compiled_kfp.settings()).digest
    assert compiled.argument("prepare", "--root") == "/mnt/pipeline/artifacts"
    assert compiled.argument("prepare", "--serving") == "/mnt/pipeline/serving"


def test_kfp_loads_what_was_compiled(compiled_package):
    component = components.load_component_from_file(str(compiled_package))
    assert component.name == "my-demo"
    assert set(component.component_spec.inputs) == {"data", "overrides", "run_name"}


def test_compiling_twice_gives_the_same_file(compiled_package, tmp_path):
    again = tmp_path / "again.yaml"
    kubeflow.compile_yaml(compiled_kfp.settings(), again)
    assert again.read_bytes() == compiled_package.read_bytes()


def test_weights_on_the_volume_need_not_be_on_this_machine(tmp_path):
    out = tmp_path / "p.yaml"
    path = "/mnt/pipeline/weights/r50.safetensors"
    backbone = {"norm": "frozen_batch"}  # whose statistics are there as well
    settings = compiled_kfp.settings(
        train={"init_from": path}, model={"backbone": backbone}
    )
    kubeflow.compile_yaml(settings, out)
    embedded = json.loads(
        compiled_kfp.Compiled(out).argument("prepare", "--config-json")
    )
    assert embedded["train"]["init_from"] == path


def test_weights_of_the_image_reach_the_first_task_by_their_name(tmp_path):
    backbone = {"name": "efficientnet_lite2", "norm": "frozen_batch"}
    own = {"train": {"init_from": "imagenet"}, "model": {"backbone": backbone}}
    kubeflow.compile_yaml(compiled_kfp.settings(**own), tmp_path / "p.yaml")
    found = compiled_kfp.Compiled(tmp_path / "p.yaml")
    embedded = json.loads(found.argument("prepare", "--config-json"))
    assert embedded["train"]["init_from"] == "imagenet"
    assert embedded["model"]["backbone"]["name"] == "efficientnet_lite2"
    other = {**own, "model": {"backbone": {"norm": "frozen_batch"}}}
    with pytest.raises(errors.ConfigError, match="no weights come with the program"):
        kubeflow.compile_yaml(compiled_kfp.settings(**other), tmp_path / "o.yaml")


def test_roots_in_a_bucket_reach_the_first_task_and_need_no_store_here(tmp_path):
    roots = {"root": "gs://bucket/root", "serving_root": "gs://bucket/serving"}
    settings = compiled_kfp.settings(
        {**compiled_kfp.CLUSTER, **roots},
        train={"init_from": "gs://bucket/weights/r50.safetensors"},
    )
    kubeflow.compile_yaml(settings, tmp_path / "p.yaml")
    found = compiled_kfp.Compiled(tmp_path / "p.yaml")
    assert found.argument("prepare", "--root") == "gs://bucket/root"
    assert found.argument("prepare", "--serving") == "gs://bucket/serving"


def test_nothing_is_written_when_something_is_refused(tmp_path):
    out = tmp_path / "p.yaml"
    with pytest.raises(errors.ConfigError, match="no such node"):
        kubeflow.compile_yaml(
            compiled_kfp.settings({**compiled_kfp.CLUSTER, "nodes": {"Trainr": {}}}),
            out,
        )
    assert not out.exists()


def test_the_script_writes_what_the_command_writes(tmp_path):
    script = pathlib.Path(__file__).parents[3] / "kubeflow" / "compile_pipeline.py"
    by_script, by_call = tmp_path / "script.yaml", tmp_path / "call.yaml"
    arguments = ["--config", "demo.yaml", "--image", "i:1", "--out", by_script]
    arguments += ["--set", "train.steps=7"]
    done = subprocess.run(
        [sys.executable, script, *arguments],
        capture_output=True,
        text=True,
        timeout=550,
    )
    assert done.returncode == 0, done.stderr
    overrides = ["train.steps=7", "kubeflow.image=i:1"]
    settings = config_file.load_preset("demo.yaml", overrides)
    upstream = kubeflow.compile_yaml(settings, by_call).upstream
    edges = sum(map(len, upstream.values()))
    said = f"{by_script}: {len(upstream)} nodes, {edges} edges, image i:1\n"
    assert done.stdout == said
    assert by_script.read_bytes() == by_call.read_bytes()


def test_a_tuner_is_a_task_of_its_own_between_transform_and_trainer(tmp_path):
    cluster = {**compiled_kfp.CLUSTER, "nodes": {"Tuner": {"cpu": "3"}}}
    settings = compiled_kfp.settings(cluster, tune=compiled_kfp.TUNE)
    kubeflow.compile_yaml(settings, tmp_path / "tuned.yaml")
    found = compiled_kfp.Compiled(tmp_path / "tuned.yaml")
    assert "transform" in found.tasks["tuner"]["dependentTasks"]
    assert "tuner" in found.tasks["trainer"]["dependentTasks"]
    assert found.container("Tuner")["resources"]["resourceCpuRequest"] == "3"
