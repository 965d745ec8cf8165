"""Declares ServingValidator: a model and examples in, a blessing out."""

from tfx import types
from tfx.dsl.components.base import base_component, executor_spec
from tfx.types import component_spec, standard_artifacts

from components import wire
from components.serving_validator import executor


class ServingValidatorSpec(types.ComponentSpec):
    """See `ServingValidator`."""

    PARAMETERS = {
        "num_requests": component_spec.ExecutionParameter(type=int),
        "timeout_seconds": component_spec.ExecutionParameter(type=int),
        "example_split": component_spec.ExecutionParameter(type=str),
        wire.CODE_DIGEST: component_spec.ExecutionParameter(type=str),
    }
    INPUTS = {
        "model": component_spec.ChannelParameter(type=standard_artifacts.Model),
        "examples": component_spec.ChannelParameter(type=standard_artifacts.Examples),
    }
    OUTPUTS = {
        wire.BLESSING: component_spec.ChannelParameter(
            type=standard_artifacts.InfraBlessing
        ),
    }


class ServingValidator(base_component.BaseComponent):
    """Loads the exported model in a clean process and asks it about eval images.

    It takes the place of TFX's InfraValidator, which needs Docker or Kubernetes, and
    its blessing is read by TFX's Pusher in the same way.

    Args:
        num_requests: eval images that every signature is asked about.
        code_digest: changes when the code that decides the outcome does.
        timeout_seconds: for loading and all requests together.
        example_split: split of the examples that the images are taken from.
    """

    SPEC_CLASS = ServingValidatorSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(executor.Executor)

    def __init__(
        self,
        model: types.BaseChannel,
        examples: types.BaseChannel,
        num_requests: int = 3,
        code_digest: str = "",
        timeout_seconds: int = 300,
        example_split: str = wire.EVAL_SPLIT,
    ):
        super().__init__(
            ServingValidatorSpec(
                model=model,
                examples=examples,
                num_requests=num_requests,
                code_digest=code_digest,
                timeout_seconds=timeout_seconds,
                example_split=example_split,
                blessing=types.Channel(type=standard_artifacts.InfraBlessing),
            )
        )
