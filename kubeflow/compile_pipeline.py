"""Compiles the pipeline for Kubeflow: the same as `m2f kubeflow compile`.

python kubeflow/compile_pipeline.py --config demo.yaml --image IMAGE --out p.yaml
"""

import sys

from pipeline.cli import cli


def main() -> None:
    """Runs the command with the arguments of this script."""
    cli.app(["kubeflow", "compile", *sys.argv[1:]])


if __name__ == "__main__":
    main()
