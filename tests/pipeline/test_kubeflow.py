import json
import pathlib
import subprocess
import sys

import pytest
import yaml
from kfp import components
from tfx.dsl.compiler import compiler

from pipeline import (
    config_file,
    errors,
    graph,
    kubeflow,
    kubeflow_names,
    kubeflow_workers,
    run_node,
)

JOB_ID = "{{$.pipeline_job_uuid}}"
CLUSTER = {
    "image": "registry.example/m2f:1",
    "image_pull_policy": "Always",
    "image_pull_secret": "registry-key",
    "secret_env": {"WANDB_API_KEY": {"name": "wandb", "key": "api-key"}},
    "annotations": {"gke-gcsfuse/volumes": "true"},
    "defaults": {"cpu": "500m", "retries": 4, "labels": {"team": "vision"}},
    "nodes": {
        "Trainer": {
            "cpu": 4,
            "cpu_limit": 8,
            "memory": "16Gi",
            "memory_limit": "32Gi",
            "gpu_count": 2,
            "gpu_type": "nvidia.com/gpu",
            "node_selector": {"accelerator": "t4"},
            "tolerations": [
                {"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}
            ],
            "shm": "8Gi",
            "retries": 1,
            "retry_seconds": 60,
            "timeout_seconds": 86400,
            "env": {"NCCL_DEBUG": "INFO"},
        }
    },
}


def settings(cluster=None, **others):
    values = {"name": "my_demo", "kubeflow": cluster or CLUSTER, **others}
    return config_file.from_values(values, [], "a.yaml")


class Compiled:
    """A compiled file, taken apart."""

    def __init__(self, path: pathlib.Path):
        self.text = path.read_text()
        self.spec, platform = yaml.safe_load_all(self.text)
        self.tasks = self.spec["root"]["dag"]["tasks"]
        self._executors = self.spec["deploymentSpec"]["executors"]
        kubernetes = platform["platforms"]["kubernetes"]
        self._pods = kubernetes["deploymentSpec"]["executors"]

    def container(self, node_id: str) -> dict:
        return self._executors[self._executor(node_id)]["container"]

    def pod(self, node_id: str) -> dict:
        return self._pods[self._executor(node_id)]

    def argument(self, node_id: str, option: str) -> str:
        arguments = self.container(node_id)["args"]
        return arguments[arguments.index(option) + 1]

    def _executor(self, node_id: str) -> str:
        task = self.tasks[kubeflow_names.task_name(node_id)]
        component = self.spec["components"][task["componentRef"]["name"]]
        return component["executorLabel"]


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    path = tmp_path_factory.mktemp("compiled") / "new" / "pipeline.yaml"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("M2F_METADATA_PASSWORD", "hunter2")
        kubeflow.compile_yaml(settings(), path)
    return path


@pytest.fixture(scope="module")
def compiled(package):
    return Compiled(package)


@pytest.fixture(scope="module")
def upstream():
    """Node id -> what it depends on, as TFX's own compiler sees it."""
    locations = graph.Locations("other", "places", "altogether")
    ir = compiler.Compiler().compile(graph.create_pipeline(settings(), locations))
    nodes = [node.pipeline_node for node in ir.nodes]
    return {node.node_info.id: set(node.upstream_nodes) for node in nodes}


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


def test_every_node_is_launched_with_the_reference_that_prepare_wrote(
    compiled, upstream
):
    for node_id in upstream:
        container = compiled.container(node_id)
        assert container["command"] == ["python", "-m", "pipeline.run_node", "node"]
        assert container["image"] == "registry.example/m2f:1"
        assert compiled.argument(node_id, "--node-id") == node_id
        task = compiled.tasks[kubeflow_names.task_name(node_id)]
        assert task["inputs"]["parameters"]["reference"] == {
            "taskOutputParameter": {
                "producerTask": "prepare",
                "outputParameterKey": "reference",
            }
        }


def test_the_launcher_understands_every_command(compiled, upstream):
    for node_id in ("prepare", *upstream):
        container = compiled.container(node_id)
        words = [*container["command"][3:], *container["args"]]
        options = run_node._parser().parse_args(words)
        assert options.action == ("prepare" if node_id == "prepare" else "node")


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
    assert read.model_dump(exclude={"kubeflow"}) == settings().model_dump(
        exclude={"kubeflow"}
    )
    digest = compiled.argument("prepare", "--graph-digest")
    assert digest == kubeflow.dag_of(settings()).digest
    assert compiled.argument("prepare", "--root") == "/mnt/pipeline/artifacts"
    assert compiled.argument("prepare", "--serving") == "/mnt/pipeline/serving"


def test_the_trainers_pod_gets_what_the_configuration_says(compiled):
    resources = compiled.container("Trainer")["resources"]
    assert resources["resourceCpuRequest"] == "4"
    assert resources["resourceCpuLimit"] == "8"
    assert resources["resourceMemoryRequest"] == "16Gi"
    assert resources["resourceMemoryLimit"] == "32Gi"
    assert resources["accelerator"]["resourceType"] == "nvidia.com/gpu"
    assert resources["accelerator"]["resourceCount"] == "2"
    pod = compiled.pod("Trainer")
    assert pod["nodeSelector"]["labels"] == {"accelerator": "t4"}
    assert pod["tolerations"] == [
        {"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}
    ]
    assert pod["activeDeadlineSeconds"] == "86400"
    (shm,) = pod["emptyDirMounts"]
    assert shm["mountPath"] == "/dev/shm"  # noqa: S108
    assert (shm["medium"], shm["sizeLimit"]) == ("Memory", "8Gi")
    retry = compiled.tasks["trainer"]["retryPolicy"]
    assert (retry["maxRetryCount"], retry["backoffDuration"]) == (1, "60s")
    assert {"name": "NCCL_DEBUG", "value": "INFO"} in compiled.container("Trainer")[
        "env"
    ]


def test_other_pods_get_the_defaults_and_no_gpu(compiled, upstream):
    for node_id in ("prepare", *upstream):
        if node_id == "Trainer":
            continue
        resources = compiled.container(node_id)["resources"]
        assert resources["resourceCpuRequest"] == "500m"
        assert resources["resourceMemoryRequest"] == "4Gi"
        assert "accelerator" not in resources
        assert "emptyDirMounts" not in compiled.pod(node_id)
        task = compiled.tasks[kubeflow_names.task_name(node_id)]
        assert task["retryPolicy"]["maxRetryCount"] == 4


def test_every_pod_has_the_volume_the_database_and_its_labels(compiled, upstream):
    for node_id in ("prepare", *upstream):
        pod = compiled.pod(node_id)
        (mount,) = pod["pvcMount"]
        assert (mount["constant"], mount["mountPath"]) == (
            "m2f-pipeline",
            "/mnt/pipeline",
        )
        assert pod["imagePullPolicy"] == "Always"
        assert pod["imagePullSecret"][0]["secretName"] == "registry-key"
        assert pod["podMetadata"]["annotations"] == {"gke-gcsfuse/volumes": "true"}
        labels = pod["podMetadata"]["labels"]
        assert (labels["team"], labels["m2f/node"]) == ("vision", node_id)
        env = {
            item["name"]: item["value"] for item in compiled.container(node_id)["env"]
        }
        assert env["M2F_METADATA_URL"] == "mysql://m2f@m2f-metadata:3306/m2f"


def test_secrets_are_named_and_their_values_stand_nowhere(compiled, upstream):
    assert "hunter2" not in compiled.text
    for node_id in ("prepare", *upstream):
        found = {
            pair["envVar"]: (secret["secretName"], pair["secretKey"])
            for secret in compiled.pod(node_id)["secretAsEnv"]
            for pair in secret["keyToEnv"]
        }
        assert found == {
            "M2F_METADATA_PASSWORD": ("m2f-metadata", "password"),
            "WANDB_API_KEY": ("wandb", "api-key"),
        }
        literal = {item["name"] for item in compiled.container(node_id)["env"]}
        assert not literal & set(found)


def test_kfp_loads_what_was_compiled(package):
    component = components.load_component_from_file(str(package))
    assert component.name == "my-demo"
    assert set(component.component_spec.inputs) == {"data", "overrides", "run_name"}


def test_compiling_twice_gives_the_same_file(package, tmp_path):
    again = tmp_path / "again.yaml"
    kubeflow.compile_yaml(settings(), again)
    assert again.read_bytes() == package.read_bytes()


def test_weights_on_the_volume_need_not_be_on_this_machine(tmp_path):
    out = tmp_path / "p.yaml"
    path = "/mnt/pipeline/weights/r50.safetensors"
    kubeflow.compile_yaml(settings(train={"init_from": path}), out)
    embedded = json.loads(Compiled(out).argument("prepare", "--config-json"))
    assert embedded["train"]["init_from"] == path


def test_nothing_is_written_when_something_is_refused(tmp_path):
    out = tmp_path / "p.yaml"
    with pytest.raises(errors.ConfigError, match="no such node"):
        kubeflow.compile_yaml(settings({**CLUSTER, "nodes": {"Trainr": {}}}), out)
    assert not out.exists()


def test_a_trainer_of_several_workers_is_their_chief(tmp_path):
    out = tmp_path / "p.yaml"
    one = settings({**CLUSTER, "workers": 2})
    train = one.train.model_copy(update={"distribution": "multi_worker"})
    kubeflow.compile_yaml(one.model_copy(update={"train": train}), out)
    compiled = Compiled(out)
    env = {item["name"]: item["value"] for item in compiled.container("Trainer")["env"]}
    assert json.loads(env["TF_CONFIG"])["task"] == {"type": "worker", "index": 0}
    labels = compiled.pod("Trainer")["podMetadata"]["labels"]
    assert labels[kubeflow_workers.CHIEF_LABEL] == "my-demo"
    assert compiled.text.count("TF_CONFIG") == 1


def test_the_script_writes_what_the_command_writes(tmp_path):
    script = pathlib.Path(__file__).parents[2] / "kubeflow" / "compile_pipeline.py"
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
    assert done.stdout == f"{by_script}: 11 nodes, 20 edges, image i:1\n"
    overrides = ["train.steps=7", "kubeflow.image=i:1"]
    kubeflow.compile_yaml(config_file.load_preset("demo.yaml", overrides), by_call)
    assert by_script.read_bytes() == by_call.read_bytes()
