"""Overrides of a run of a compiled pipeline: what can still be changed then."""

import copy
from collections.abc import Mapping, Sequence
from typing import Any

from foundation import errors
from pipeline.cluster import compile_checks
from pipeline.settings import config, config_file

_MULTI_WORKER = "multi_worker"
_COMPILE = "Give it to `m2f kubeflow compile --set`."


def settings(
    values: Mapping[str, Any], overrides: Sequence[str], source: str
) -> config.PipelineConfig:
    """The configuration of a run.

    Args:
        values: sections of the configuration the pipeline was compiled with.
        source: where they come from, for messages.

    Raises:
        ConfigError: an override cannot be used, comes too late, or holds what looks
            like a secret.
    """
    for override in overrides:
        if override.partition("=")[0].split(".")[0].strip() == "kubeflow":
            raise errors.ConfigError(
                f"--set {override}: pods were laid down when the pipeline was "
                f"compiled. {_COMPILE}"
            )
    compiled = config_file.from_values(copy.deepcopy(dict(values)), [], source)
    found = config_file.from_values(copy.deepcopy(dict(values)), overrides, source)
    _require_the_same_workers(compiled, found)
    instead = "Everyone who sees the run sees its overrides. Use kubeflow.secret_env."
    problems = list(compile_checks.secret_problems(found, instead))
    compile_checks.refuse("Kubeflow", problems)
    return found


def _require_the_same_workers(
    compiled: config.PipelineConfig, found: config.PipelineConfig
) -> None:
    """Workers wait in pods of their own, under addresses that hold the name."""
    before, after = compiled.train.distribution, found.train.distribution
    if before != after and _MULTI_WORKER in (before, after):
        raise errors.ConfigError(
            f"--set train.distribution={after}: was {before} when the pipeline was "
            f"compiled, and the pods that train were laid down for that. {_COMPILE}"
        )
    if after == _MULTI_WORKER and compiled.name != found.name:
        raise errors.ConfigError(
            f"--set name={found.name}: was {compiled.name} when the pipeline was "
            f"compiled, where the other workers wait. {_COMPILE}"
        )
