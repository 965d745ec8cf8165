"""Declares CocoEvaluator: examples and a model in, an evaluation and a verdict out."""

from tfx import types
from tfx.dsl.components.base import base_component, executor_spec
from tfx.types import component_spec, standard_artifacts

from components import wire
from components.coco_evaluator import executor


class CocoEvaluatorSpec(types.ComponentSpec):
    """See `CocoEvaluator`."""

    PARAMETERS = {
        "eval_config": component_spec.ExecutionParameter(type=str),
        "batch_size": component_spec.ExecutionParameter(type=int),
        "example_split": component_spec.ExecutionParameter(type=str),
        wire.CODE_DIGEST: component_spec.ExecutionParameter(type=str),
    }
    INPUTS = {
        "examples": component_spec.ChannelParameter(type=standard_artifacts.Examples),
        "model": component_spec.ChannelParameter(type=standard_artifacts.Model),
        "baseline_model": component_spec.ChannelParameter(
            type=standard_artifacts.Model, optional=True
        ),
    }
    OUTPUTS = {
        wire.EVALUATION: component_spec.ChannelParameter(
            type=standard_artifacts.ModelEvaluation
        ),
        wire.BLESSING: component_spec.ChannelParameter(
            type=standard_artifacts.ModelBlessing
        ),
    }


class CocoEvaluator(base_component.BaseComponent):
    """Scores the exported model with COCO's metrics and blesses or refuses it.

    Args:
        baseline_model: the model that it must not fall behind, if there is one.
        eval_config: JSON of a `tfma.EvalConfig`; see `thresholds`.
        batch_size: images scored at a time.
        code_digest: changes when the code that decides the outcome does.
        example_split: split of the examples to score on.
    """

    SPEC_CLASS = CocoEvaluatorSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(executor.Executor)

    def __init__(
        self,
        examples: types.BaseChannel,
        model: types.BaseChannel,
        eval_config: str,
        baseline_model: types.BaseChannel | None = None,
        batch_size: int = 1,
        code_digest: str = "",
        example_split: str = wire.EVAL_SPLIT,
    ):
        super().__init__(
            CocoEvaluatorSpec(
                examples=examples,
                model=model,
                baseline_model=baseline_model,
                eval_config=eval_config,
                batch_size=batch_size,
                code_digest=code_digest,
                example_split=example_split,
                evaluation=types.Channel(type=standard_artifacts.ModelEvaluation),
                blessing=types.Channel(type=standard_artifacts.ModelBlessing),
            )
        )
