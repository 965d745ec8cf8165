import re

import pytest

LOCKS = ["image", "gpu"]


def pins(path):
    """Package -> (version, number of hashes) of a lock file."""
    found, package = {}, None
    for line in path.read_text().splitlines():
        if match := re.match(r"([a-z0-9][\w.-]*)(?:\[[\w,-]+\])?==(\S+)", line):
            package = match[1]
            found[package] = [match[2], 0]
        elif "--hash=sha256:" in line:
            found[package][1] += 1
    return found


@pytest.fixture(scope="module")
def lock(root):
    return pins(root / "requirements" / "lock.txt")


@pytest.mark.parametrize("name", LOCKS)
def test_every_package_of_an_image_has_a_hash(root, name):
    found = pins(root / "requirements" / f"{name}.txt")
    assert found
    assert not [package for package, (_, hashes) in found.items() if not hashes]


def test_the_image_holds_what_was_tested_and_no_test_tools(root, lock):
    image = pins(root / "requirements" / "image.txt")
    assert image.items() <= lock.items()
    assert not {"pytest", "ruff", "hypothesis"} & set(image)
    assert {"tfx", "apache-beam", "kfp", "tensorboard", "setuptools"} <= set(image)


def test_the_gpu_image_adds_cuda_and_changes_nothing_else(root, lock):
    gpu = pins(root / "requirements" / "gpu.txt")
    added = {p for p in gpu if p not in lock}
    assert added
    assert all(package.startswith("nvidia-") for package in added)
    assert {p: gpu[p][0] for p in gpu if p in lock} == {
        p: lock[p][0] for p in gpu if p in lock
    }


def test_beams_boot_program_is_of_the_version_that_is_installed(dockerfile, lock):
    image = dockerfile.arguments["BEAM_IMAGE"]
    assert image.rpartition(":")[2] == lock["apache-beam"][0]
    assert "python3.11" in image


def test_the_installer_is_the_one_of_the_makefile(root):
    (version, hashes), *_ = pins(root / "docker" / "uv.txt").values()
    makefile = (root / "Makefile").read_text()
    assert f"UV_VERSION := {version}\n" in makefile
    assert hashes == 1
