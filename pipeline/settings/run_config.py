"""The section `run` of the configuration: how the graph is run, and by which engine."""

from typing import Annotated, Literal

import pydantic

from foundation import config_section
from pipeline.settings import beam_arguments


class RunConfig(config_section.Section):
    """How the graph is run. Only `enable_cache` can change which nodes run.

    Attributes:
        beam_workers: processes for ingestion, statistics and Transform; on Flink the
            parallelism, on Dataflow the number of machines.
        beam_runner: where those three run. `local` is this machine, `portable` any
            Beam job server, `flink` the one of kubeflow/manifests, `dataflow` Google's,
            but for ingestion, which stays on the machine that sees the data.
        beam_args: raw arguments for Beam, such as `--job_endpoint=host:8099`; they
            win over those that are set for you.
    """

    enable_cache: bool = True
    beam_workers: Annotated[int, pydantic.Field(gt=0)] = 1
    beam_runner: Literal["local", "portable", "flink", "dataflow"] = "local"
    beam_args: tuple[str, ...] = ()

    @pydantic.field_validator("beam_runner", mode="before")
    @classmethod
    def _refuse_runner(cls, value: object) -> object:
        beam_arguments.refuse_dask(str(value))
        return value

    @pydantic.model_validator(mode="after")
    def _check(self) -> "RunConfig":
        beam_arguments.check(self.beam_runner, self.beam_args)
        return self
