import copy
import re

import kubernetes_validate
import pytest

VERSION = "1.31"
LONG_RUNNING = ("Deployment", "StatefulSet")
HOMES = {"minio", "mask2former-tfx"}  # images whose programs write there


def containers(pod):
    return [*pod["spec"].get("initContainers", []), *pod["spec"]["containers"]]


def as_pod(template):
    """A pod that the published schema can judge; Flink names the image elsewhere."""
    pod = {"apiVersion": "v1", "kind": "Pod", **copy.deepcopy(template)}
    pod.setdefault("metadata", {})["name"] = "pod"
    for container in pod["spec"]["containers"]:
        container.setdefault("image", "flink")
    return pod


def validate(objects, pods):
    for item in objects:
        if item["kind"] != "FlinkDeployment":
            kubernetes_validate.validate(item, VERSION, strict=True)
    for template in pods(objects).values():
        kubernetes_validate.validate(as_pod(template), VERSION, strict=True)


def test_every_manifest_fits_the_published_schemas(objects, pods):
    assert len(objects) > 15
    validate(objects, pods)


def test_the_schemas_notice_a_misspelt_key(objects, pods):
    broken = copy.deepcopy(objects)
    for template in pods(broken).values():
        template["spec"]["containers"][0]["readinesProbe"] = {}
    with pytest.raises(kubernetes_validate.ValidationError):
        validate(broken, pods)


def test_every_pod_meets_the_restricted_pod_security_standard(objects, pods):
    for name, pod in pods(objects).items():
        context = pod["spec"]["securityContext"]
        assert context["runAsNonRoot"] is True, name
        assert context["runAsUser"] > 0, name
        assert context["seccompProfile"] == {"type": "RuntimeDefault"}, name
        for forbidden in ("hostNetwork", "hostPID", "hostIPC"):
            assert forbidden not in pod["spec"], name
        for volume in pod["spec"]["volumes"]:
            assert set(volume) & {"persistentVolumeClaim", "emptyDir"}, name
        for container in containers(pod):
            own = container["securityContext"]
            assert own["allowPrivilegeEscalation"] is False, name
            assert own["capabilities"] == {"drop": ["ALL"]}, name
            assert own.get("runAsUser", 1) > 0, name
            assert "privileged" not in own, name


def test_every_container_of_ours_names_what_it_needs_and_may_take(objects, pods):
    for name, pod in pods(objects).items():
        for container in containers(pod):
            if container["name"] == "flink-main-container":
                continue  # Flink's operator sets them from `resource`
            resources = container["resources"]
            assert set(resources["requests"]) == {"cpu", "memory"}, name
            assert "memory" in resources["limits"], name


def test_what_runs_for_long_is_probed(objects, pods):
    for name, pod in pods(objects).items():
        if name.startswith(LONG_RUNNING):
            for container in pod["spec"]["containers"]:
                assert "readinessProbe" in container, name
                assert "livenessProbe" in container, name


def test_programs_that_write_to_their_home_have_one_that_can_be_written(objects, pods):
    seen = set()
    for name, pod in pods(objects).items():
        for container in pod["spec"]["containers"]:
            locked = container["securityContext"].get("readOnlyRootFilesystem")
            if name.startswith(LONG_RUNNING) and locked and container["image"] in HOMES:
                seen.add(container["image"])
                environment = {e["name"]: e.get("value") for e in container["env"]}
                places = {m["mountPath"] for m in container["volumeMounts"]}
                assert environment.get("HOME") in places, name
    assert seen == HOMES


def test_services_and_policies_select_pods_and_name_their_ports(objects, pods):
    def selected(labels):
        return [
            pod
            for pod in pods(objects).values()
            if labels.items() <= pod["metadata"]["labels"].items()
        ]

    def ports(found):
        return {
            key: port["containerPort"]
            for pod in found
            for container in pod["spec"]["containers"]
            for port in container.get("ports", [])
            for key in (port["name"], port["containerPort"])
        }

    for item in objects:
        name, spec = item["metadata"]["name"], item.get("spec", {})
        if item["kind"] == "Service":
            found = selected(spec["selector"])
            assert found, name
            for port in spec["ports"]:
                assert ports(found)[port["targetPort"]] == port["port"], name
        elif item["kind"] == "NetworkPolicy":
            found = selected(spec["podSelector"]["matchLabels"])
            assert found, name
            for rule in spec["ingress"]:
                for port in rule.get("ports", []):
                    # 8081 is opened by Flink itself.
                    assert port["port"] in {*ports(found), 8081}, name


def test_every_image_is_pinned_and_every_pin_is_used(objects, pods, kustomizations):
    used = {
        container["image"]
        for pod in pods(objects).values()
        for container in containers(pod)
        if "image" in container
    } | {"flink"}
    pinned = {}
    for content in kustomizations.values():
        pinned |= {image["name"]: image for image in content.get("images", [])}
    assert set(pinned) == used
    for name, image in pinned.items():
        exact = re.fullmatch(r"\d+\.\d+\.\d+(-\w+)?", image.get("newTag", ""))
        digest = re.fullmatch(r"sha256:[0-9a-f]{64}", image.get("digest", ""))
        assert exact or digest, name


def test_no_password_is_committed(kustomizations, manifests):
    for folder in kustomizations:
        for example in folder.glob("*.env.example"):
            for line in example.read_text().splitlines():
                if not line.startswith("#") and "access-key" not in line:
                    assert line.endswith("="), example
    assert not [d for ds in manifests.values() for d in ds if d["kind"] == "Secret"]


def test_the_volume_and_the_folders_are_the_same_everywhere(objects, pods):
    claims, places = set(), set()
    for pod in pods(objects).values():
        names = set()
        for volume in pod["spec"]["volumes"]:
            if "persistentVolumeClaim" in volume:
                names.add(volume["name"])
                claims.add(volume["persistentVolumeClaim"]["claimName"])
        for container in containers(pod):
            for mount in container.get("volumeMounts", []):
                if mount["name"] in names:
                    places.add(mount["mountPath"])
    assert claims == {"m2f-pipeline"}
    assert places == {"/mnt/pipeline"}
