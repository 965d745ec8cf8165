"""Keeps Beam's arguments out of the cache key.

TFX hashes the whole executor specification, and Beam's arguments are part of it: a
second worker or another engine would run ingestion again although the result is the
same. So the arguments are taken out before the launcher sees the specification, and
given back to the executor by an operator of our own.
"""

import functools
from collections.abc import Sequence
from typing import cast

from google.protobuf import message
from tfx.orchestration.portable import beam_executor_operator
from tfx.proto.orchestration import executable_spec_pb2

_BeamSpec = executable_spec_pb2.BeamExecutableSpec


def detach(
    executor_spec: message.Message | None,
) -> tuple[message.Message | None, dict]:
    """Parts an executor's specification from the arguments for Beam in it.

    Returns:
        The specification, and the launcher's `custom_executor_operators`.
    """
    if not isinstance(executor_spec, _BeamSpec):
        return executor_spec, {}
    given, bare = cast(_BeamSpec, executor_spec), _BeamSpec()
    bare.CopyFrom(given)
    bare.ClearField("beam_pipeline_args")
    bare.ClearField("beam_pipeline_args_placeholders")
    arguments = tuple(given.beam_pipeline_args_placeholders)
    return bare, {_BeamSpec: functools.partial(_Operator, arguments)}


class _Operator(beam_executor_operator.BeamExecutorOperator):
    """TFX's own, with the arguments that `detach` took out."""

    SUPPORTED_EXECUTOR_SPEC_TYPE = [_BeamSpec]

    def __init__(
        self,
        arguments: Sequence[message.Message],
        executor_spec: message.Message,
        platform_config: message.Message | None = None,
    ):
        super().__init__(executor_spec, platform_config)
        self.beam_pipeline_args = list(arguments)
