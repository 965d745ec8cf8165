import pathlib
import re
import shutil
import subprocess
import sys

import pytest

FINAL = ["cpu", "gpu"]


def words(dockerfile, stage, word):
    return [rest for found, rest in dockerfile.steps(stage) if found == word]


def test_hadolint_finds_nothing(root):
    beside = pathlib.Path(sys.executable).with_name("hadolint")
    binary = str(beside) if beside.is_file() else shutil.which("hadolint")
    if binary is None:
        pytest.skip("hadolint is not installed")
    found = subprocess.run(
        [binary, str(root / "docker" / "Dockerfile")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.returncode == 0, found.stdout


def test_bases_are_arguments_with_an_exact_version(dockerfile):
    external = {
        stage.base
        for stage in dockerfile.stages.values()
        if stage.base not in dockerfile.stages
    }
    assert external == {f"${{{name}}}" for name in dockerfile.arguments}
    python = dockerfile.arguments["PYTHON_IMAGE"]
    assert re.search(r"python:3\.11\.\d+-slim-bookworm@sha256:[0-9a-f]{64}$", python)
    assert re.search(r":\d+\.\d+\.\d+$", dockerfile.arguments["BEAM_IMAGE"])


def test_a_build_without_a_target_is_the_cpu_image(dockerfile):
    assert list(dockerfile.stages)[-1] == "cpu"


@pytest.mark.parametrize("stage", FINAL)
def test_the_last_user_is_a_number_and_not_root(dockerfile, stage):
    *_, user = words(dockerfile, stage, "USER")
    uid, gid = map(int, user.split(":"))
    assert uid > 0
    assert gid > 0


@pytest.mark.parametrize("stage", FINAL)
def test_the_final_stages_install_nothing(dockerfile, stage):
    for command in words(dockerfile, stage, "RUN"):
        assert not re.search(r"\b(apt-get|pip|uv|curl|wget|g\+\+|gcc)\b", command)


@pytest.mark.parametrize("stage", FINAL)
def test_the_image_says_what_it_is_and_whether_it_works(dockerfile, stage):
    labels = " ".join(words(dockerfile, stage, "LABEL"))
    for key in ("title", "description", "version", "revision"):
        assert f"org.opencontainers.image.{key}=" in labels
    (health,) = words(dockerfile, stage, "HEALTHCHECK")
    assert health.endswith('CMD ["m2f", "--version"]')
    assert words(dockerfile, stage, "ENTRYPOINT") == ['["m2f"]']


@pytest.mark.parametrize("stage", FINAL)
def test_a_beam_worker_starts_in_the_environment_of_the_image(dockerfile, stage):
    copies = words(dockerfile, stage, "COPY")
    assert "--from=beam /opt/apache/beam /opt/apache/beam" in copies
    environment = " ".join(words(dockerfile, stage, "ENV"))
    assert "RUN_PYTHON_SDK_IN_DEFAULT_ENVIRONMENT=1" in environment
    assert "PATH=/opt/m2f/bin:" in environment


def test_packages_are_installed_by_hash_and_never_resolved(dockerfile):
    stages = ["build", "build-gpu"]
    commands = [c for s in stages for c in words(dockerfile, s, "RUN")]
    installs = [c for c in commands if "-r requirements/" in c]
    assert len(set(installs)) == 2
    for command in installs:
        assert "--no-deps --require-hashes" in command
    (uv,) = {c for c in commands if "pip install" in c and "docker/uv.txt" in c}
    assert "--require-hashes" in uv


def test_lists_of_apt_are_removed_in_the_layer_that_made_them(dockerfile):
    found = [
        rest
        for stage in dockerfile.stages.values()
        for word, rest in stage.steps
        if word == "RUN" and "apt-get install" in rest
    ]
    assert found
    for command in found:
        assert "--no-install-recommends" in command
        assert command.endswith("rm -rf /var/lib/apt/lists/*")


def test_nothing_secret_is_asked_for_and_nothing_fetched_by_address(dockerfile):
    for stage in dockerfile.stages.values():
        for word, rest in stage.steps:
            assert word != "ADD"
            if word in ("ARG", "ENV"):
                assert not re.search("PASSWORD|SECRET|TOKEN|KEY", rest, re.IGNORECASE)


def test_what_is_copied_exists_and_is_not_ignored(dockerfile, root):
    lines = (root / ".dockerignore").read_text().splitlines()
    assert "*" in lines
    allowed = {line[1:].rstrip("/") for line in lines if line.startswith("!")}
    copied = {
        source
        for stage in dockerfile.stages.values()
        for word, rest in stage.steps
        if word == "COPY" and "--from" not in rest
        for source in rest.split()[:-1]
    }
    assert copied == allowed
    for source in copied:
        assert (root / source).exists(), source


@pytest.mark.parametrize("name", ["build.sh", "check_image.sh"])
def test_scripts_can_be_read_by_bash_and_run(root, name):
    script = root / "docker" / name
    assert script.stat().st_mode & 0o111
    subprocess.run(["bash", "-n", str(script)], check=True)  # noqa: S607


def test_build_says_what_it_wants(root):
    found = subprocess.run(
        [str(root / "docker" / "build.sh")], capture_output=True, text=True, check=False
    )
    assert found.returncode == 2
    assert "usage: docker/build.sh {cpu|gpu} TAG" in found.stderr


def engine(folder, name, answers):
    """A container engine that says what it was told, or has no server to tell."""
    path = folder / name
    ending = "exit 0" if answers else "exit 1"
    path.write_text(f'#!/bin/sh\n[ "$1" = info ] && {ending}\necho "{name} $*"\n')
    path.chmod(0o755)


def build(root, folder, *arguments):
    return subprocess.run(
        [str(root / "docker" / "build.sh"), *arguments],
        env={"PATH": f"{folder}:/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_first_engine_that_answers_builds(root, tmp_path):
    engine(tmp_path, "docker", answers=False)
    engine(tmp_path, "podman", answers=True)
    found = build(root, tmp_path, "gpu", "m2f:1", "--build-arg", "PYTHON_IMAGE=x")
    assert found.returncode == 0, found.stderr
    call = found.stdout.splitlines()[-1]
    assert call.startswith("podman build --file docker/Dockerfile --target gpu")
    assert "--tag m2f:1" in call
    assert "--format docker" in call  # or HEALTHCHECK is lost
    assert call.endswith("--build-arg PYTHON_IMAGE=x .")


def test_docker_itself_knows_no_format(root, tmp_path):
    engine(tmp_path, "docker", answers=True)
    assert "--format" not in build(root, tmp_path, "cpu", "m2f:1").stdout


def test_without_an_engine_the_build_says_what_is_missing(root, tmp_path):
    for name in ("docker", "podman", "buildah"):
        engine(tmp_path, name, answers=False)
    found = build(root, tmp_path, "cpu", "m2f:1")
    assert found.returncode == 2
    assert "none of docker, podman and buildah works here" in found.stderr
