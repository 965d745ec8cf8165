"""Beam's runner for one machine, which tells its worker processes the options too.

The options name a module that a worker must import first (see `beam_arguments`), but
FnApiRunner starts its worker processes without them.
"""

from apache_beam import pipeline as beam_pipeline
from apache_beam.options import pipeline_options
from apache_beam.portability.api import beam_provision_api_pb2
from apache_beam.runners import runner
from apache_beam.runners.portability import portable_runner
from apache_beam.runners.portability.fn_api_runner import fn_runner


class ProcessRunner(fn_runner.FnApiRunner):
    """FnApiRunner whose workers know the options of the job."""

    def __init__(self) -> None:
        # Nothing is staged, so the token stands for nothing; it must be there.
        self._told = beam_provision_api_pb2.ProvisionInfo(retrieval_token="unused")  # noqa: S106
        super().__init__(provision_info=fn_runner.ExtendedProvisionInfo(self._told))

    def run_pipeline(
        self,
        pipeline: beam_pipeline.Pipeline,
        options: pipeline_options.PipelineOptions,
    ) -> runner.PipelineResult:
        encoded = portable_runner.JobServiceHandle.encode_pipeline_options(
            options.get_all_options(drop_default=True)
        )
        self._told.pipeline_options.CopyFrom(encoded)
        return super().run_pipeline(pipeline, options)
