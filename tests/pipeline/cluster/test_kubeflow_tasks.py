"""What each pod of a compiled pipeline is told and given."""

import json

import compiled_kfp

from pipeline.cluster import kubeflow, kubeflow_names, kubeflow_workers, run_node


def test_every_node_is_launched_with_the_reference_that_prepare_wrote(
    compiled, upstream
):
    for node_id in upstream:
        container = compiled.container(node_id)
        assert container["command"] == [
            "python",
            "-m",
            "pipeline.cluster.run_node",
            "node",
        ]
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


def test_a_trainer_of_several_workers_is_their_chief(tmp_path):
    out = tmp_path / "p.yaml"
    one = compiled_kfp.settings({**compiled_kfp.CLUSTER, "workers": 2})
    train = one.train.model_copy(update={"distribution": "multi_worker"})
    kubeflow.compile_yaml(one.model_copy(update={"train": train}), out)
    compiled = compiled_kfp.Compiled(out)
    env = {item["name"]: item["value"] for item in compiled.container("Trainer")["env"]}
    assert json.loads(env["TF_CONFIG"])["task"] == {"type": "worker", "index": 0}
    labels = compiled.pod("Trainer")["podMetadata"]["labels"]
    assert labels[kubeflow_workers.CHIEF_LABEL] == "my-demo"
    assert compiled.text.count("TF_CONFIG") == 1
