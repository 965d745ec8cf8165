import json
import pathlib
import re
import urllib.parse

import kubernetes_validate
import pytest
import yaml

from pipeline.settings import beam_arguments, kubeflow_config

ROOT = pathlib.Path(__file__).parents[2]
OVERLAYS = ["local-pvc", "gcs", "minio"]
CLUSTER_WIDE = {"PersistentVolume"}


def by_name(objects):
    return {(item["kind"], item["metadata"]["name"]): item for item in objects}


@pytest.fixture(scope="module", params=OVERLAYS)
def overlay(request, build):
    return build(request.param)


@pytest.fixture(scope="module")
def everything(build):
    return build("local-pvc", "flink", "serving")


def test_a_built_overlay_is_valid_and_in_one_namespace(overlay):
    assert len(overlay) == len(by_name(overlay))
    for item in overlay:
        kubernetes_validate.validate(item, "1.31", strict=True)
        if item["kind"] not in CLUSTER_WIDE:
            assert item["metadata"]["namespace"] == "kubeflow"


def test_nothing_is_left_to_be_filled_in_by_kustomize(overlay):
    assert "set-by-kustomization" not in json.dumps(overlay)


def test_every_image_ends_up_with_a_registry_name_and_a_version(overlay, everything):
    for image in re.findall(r'"image": "([^"]+)"', json.dumps([overlay, everything])):
        assert re.search(r"(:[\w.-]+|@sha256:[0-9a-f]{64})$", image), image
        assert not image.endswith(":latest")


def test_secrets_keep_the_name_that_compiled_pipelines_use(overlay):
    settings = kubeflow_config.MetadataConfig().password_secret
    secret = by_name(overlay)["Secret", settings.name]
    assert settings.key in secret["data"]


def test_flink_and_serving_can_be_added_to_an_overlay(everything, pods):
    found = by_name(everything)
    flink = found["FlinkDeployment", "m2f-flink"]
    assert flink["spec"]["image"] == "docker.io/library/flink:1.20.1-java17"
    (worker,) = flink["spec"]["taskManager"]["podTemplate"]["spec"]["containers"]
    nodes = found["Deployment", "m2f-tensorboard"]["spec"]["template"]["spec"]
    assert worker["image"] == nodes["containers"][0]["image"]
    assert ("Deployment", "m2f-serving") in found


def test_one_machine_needs_no_shared_disk_and_several_do(build):
    claim = "PersistentVolumeClaim", "m2f-pipeline"
    modes = {
        name: by_name(build(name))[claim]["spec"]["accessModes"] for name in OVERLAYS
    }
    assert modes == {
        "local-pvc": ["ReadWriteOnce"],
        "gcs": ["ReadWriteMany"],
        "minio": ["ReadWriteMany"],
    }


def test_the_bucket_is_bound_to_the_claim_and_mounted_by_a_driver(build, pods):
    objects = build("gcs")
    found = by_name(objects)
    volume = found["PersistentVolume", "m2f-pipeline"]["spec"]
    claim = found["PersistentVolumeClaim", "m2f-pipeline"]
    assert volume["csi"]["volumeHandle"] == "YOUR-BUCKET"
    assert volume["claimRef"] == {"namespace": "kubeflow", "name": "m2f-pipeline"}
    assert claim["spec"]["volumeName"] == "m2f-pipeline"
    for pod in pods(objects).values():
        if any("persistentVolumeClaim" in v for v in pod["spec"]["volumes"]):
            assert pod["metadata"]["annotations"]["gke-gcsfuse/volumes"] == "true"
            assert pod["spec"]["serviceAccountName"] == "pipeline-runner"


def test_a_half_pushed_model_is_not_published(manifests):
    copies = by_name(manifests["overlays/minio/copies.yaml"])
    job = copies["CronJob", "m2f-publish-models"]["spec"]["jobTemplate"]["spec"]
    (copy,) = job["template"]["spec"]["containers"]
    assert "--exclude=*.pushing-*" in copy["args"]


def test_defaults_of_the_configuration_are_the_names_of_the_manifests(objects):
    found = by_name(objects)
    settings = kubeflow_config.KubeflowConfig()
    url = urllib.parse.urlsplit(settings.metadata.url)
    database = found["StatefulSet", url.hostname]["spec"]["template"]["spec"]
    environment = {e["name"]: e for e in database["containers"][0]["env"]}
    assert environment["MARIADB_USER"]["value"] == url.username
    assert environment["MARIADB_DATABASE"]["value"] == url.path.strip("/")
    (port,) = found["Service", url.hostname]["spec"]["ports"]
    assert port["port"] == url.port
    wanted = settings.metadata.password_secret
    assert environment["MARIADB_PASSWORD"]["valueFrom"]["secretKeyRef"] == {
        "name": wanted.name,
        "key": wanted.key,
    }
    assert ("PersistentVolumeClaim", settings.pvc.name) in found
    job = found["Job", "m2f-pipeline-folders"]["spec"]["template"]["spec"]
    made = set(job["containers"][0]["command"])
    assert {settings.root, settings.serving_root, settings.data} <= made


def test_beams_default_job_server_is_a_service_of_the_manifests(objects):
    services = {
        f"{item['metadata']['name']}:{port['port']}"
        for item in objects
        if item["kind"] == "Service"
        for port in item["spec"]["ports"]
    }
    arguments = beam_arguments.build("flink", 1, ())
    named = [a.partition("=")[2] for a in arguments if "_endpoint=" in a]
    assert len(named) == 2
    assert set(named) <= services


def test_flinks_version_and_beams_agree_wherever_they_are_named(
    kustomizations, objects
):
    folder = ROOT / "kubeflow" / "manifests" / "components" / "flink"
    images = {image["name"]: image for image in kustomizations[folder]["images"]}
    (flink,) = [item for item in objects if item["kind"] == "FlinkDeployment"]
    minor = flink["spec"]["flinkVersion"].removeprefix("v").replace("_", ".")
    assert images["flink"]["newTag"].startswith(f"{minor}.")
    assert f"flink{minor}_" in images["beam-job-server"]["newName"]
    lock = (ROOT / "requirements" / "lock.txt").read_text()
    assert f"apache-beam=={images['beam-job-server']['newTag']} " in lock


def test_every_pod_of_ours_runs_as_the_user_of_the_image(objects, pods):
    user = re.search(
        r"^USER (\d+):", (ROOT / "docker" / "Dockerfile").read_text(), re.MULTILINE
    )[1]
    for pod in pods(objects).values():
        for container in pod["spec"]["containers"]:
            if container.get("image") == "mask2former-tfx":
                own = container["securityContext"].get("runAsUser")
                assert str(own or pod["spec"]["securityContext"]["runAsUser"]) == user
                assert pod["spec"]["securityContext"]["fsGroup"] == int(user)


def test_every_file_of_a_kustomization_exists(kustomizations):
    for folder, content in kustomizations.items():
        for name in (
            *content.get("resources", []),
            *content.get("configurations", []),
            *content.get("components", []),
        ):
            assert (folder / name).exists(), f"{folder}: {name}"
        for generator in content.get("secretGenerator", []):
            for name in generator["envs"]:
                assert (folder / f"{name}.example").is_file()


def test_every_patch_and_replacement_has_something_to_change(kustomizations, objects):
    known = {(item["kind"], item["metadata"]["name"]) for item in objects}

    def hits(kinds, names):
        return [
            found
            for found in known
            if re.fullmatch(kinds, found[0]) and re.fullmatch(names, found[1])
        ]

    for content in kustomizations.values():
        for patch in content.get("patches", []):
            assert hits(patch["target"]["kind"], patch["target"]["name"])
            assert yaml.safe_load(patch["patch"])
        for replacement in content.get("replacements", []):
            for target in replacement["targets"]:
                assert hits(target["select"]["kind"], target["select"]["name"])
