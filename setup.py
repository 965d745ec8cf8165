"""Installs the `m2f` command and the packages of the four storeys."""

import pathlib

import setuptools

ROOT = pathlib.Path(__file__).parent


def requirements(name: str) -> list[str]:
    """Requirements of one `requirements/*.in` file, comments removed."""
    lines = (ROOT / "requirements" / f"{name}.in").read_text().splitlines()
    stripped = (line.split("#")[0].strip() for line in lines)
    return [line for line in stripped if line]


setuptools.setup(
    name="mask2former-tfx",
    version="0.1.0",
    description="Instance segmentation in production: Mask2Former in TensorFlow on TFX",
    long_description=(ROOT / "README.md").read_text(),
    long_description_content_type="text/markdown",
    python_requires=">=3.11,<3.12",
    packages=[
        *setuptools.find_packages(
            include=[
                "foundation",
                "pipeline",
                "pipeline.*",
                "components",
                "components.*",
                "model",
                "model.*",
            ]
        ),
        "schemas",
    ],
    package_data={
        "foundation": ["py.typed", "templates/*"],
        "model": ["py.typed"],
        "components": ["py.typed", "*/*/templates/*"],
        "pipeline": ["py.typed", "configs/*.yaml", "*/templates/*"],
        "schemas": ["*.pbtxt", "*.json"],
    },
    install_requires=requirements("runtime"),
    extras_require={
        "gpu": ["tensorflow[and-cuda]==2.21.0"],
        "kubeflow": requirements("kubeflow"),
        "dev": requirements("dev"),
    },
    entry_points={"console_scripts": ["m2f=pipeline.cli.cli:app"]},
)
