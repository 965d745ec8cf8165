"""The graph: the one place that knows the nodes and how they hang together."""

from google.protobuf import json_format
from tensorflow_model_analysis.proto import config_pb2
from tfx import components as stock
from tfx import types
from tfx.components.schema_gen.import_schema_gen import (
    component as import_schema_gen,
)
from tfx.dsl.components.base import base_node
from tfx.dsl.components.common import resolver
from tfx.orchestration import pipeline as tfx_pipeline
from tfx.proto import pusher_pb2, trainer_pb2

from components import wire
from components.atomic_pusher import component as atomic_pusher
from components.coco_evaluator import component as coco_evaluator
from components.coco_evaluator import evaluator_settings
from components.coco_example_gen import component as coco_example_gen
from components.data_gate import component as data_gate
from components.serving_validator import component as serving_validator
from foundation import artifact_paths, errors
from model.examples import features
from pipeline import locations, node_settings
from pipeline.nodes import (
    baseline_resolver,
    code_digest,
    previous_statistics_resolver,
)
from pipeline.settings import beam_arguments, config

# After TFX, which puts a stand-in where this version looks for a part of tfx-bsl.
import tensorflow_data_validation as tfdv  # isort: skip


def create_pipeline(
    settings: config.PipelineConfig,
    where: locations.Locations,
    with_history: bool = True,
) -> tfx_pipeline.Pipeline:
    """Builds the nodes in the order an image travels them.

    Args:
        with_history: False leaves out the resolvers, which look at earlier runs, for a
            runner that has none.
    """
    return tfx_pipeline.Pipeline(
        pipeline_name=settings.name,
        pipeline_root=str(where.artifact_root),
        components=_nodes(settings, where, with_history),
        enable_cache=settings.run.enable_cache,
        beam_pipeline_args=[*_beam_args(settings, where)],
    )


def _beam_args(
    settings: config.PipelineConfig, where: locations.Locations
) -> list[str]:
    run, root = settings.run, str(where.artifact_root)
    if run.beam_runner == "dataflow" and not artifact_paths.is_remote(root):
        raise errors.ConfigError(
            f"run.beam_runner dataflow: Google's machines cannot read {root}; wanted "
            "a pipeline on a cluster with kubeflow.root in gs://. Or use flink, whose "
            "workers mount the volume that the pods share."
        )
    return beam_arguments.build(
        run.beam_runner, run.beam_workers, run.beam_args, settings.kubeflow.image
    )


def _nodes(
    settings: config.PipelineConfig, where: locations.Locations, with_history: bool
) -> list[base_node.BaseNode]:
    example_gen = coco_example_gen.CocoExampleGen(
        roots=where.data_roots,
        settings=settings.data.ingest_settings(),
        code_digest=code_digest.of_node("CocoExampleGen"),
    )
    if settings.run.beam_runner == "dataflow":
        # Its machines do not see the volume of the data. The last arguments count.
        own = beam_arguments.build("local", settings.run.beam_workers, ())
        example_gen.with_beam_pipeline_args(own)
    examples = example_gen.outputs[wire.EXAMPLES]
    schema_gen = import_schema_gen.ImportSchemaGen(schema_file=where.schema_file)
    schema = schema_gen.outputs["schema"]
    checks = _data_checks(settings, example_gen, schema, with_history)
    transform = _transform(settings, examples, schema)
    transform.add_upstream_node(checks[-1])
    transform_graph = transform.outputs[wire.TRANSFORM_GRAPH]
    tuners = _tuners(settings, examples, transform_graph)
    trainer = _trainer(settings, examples, transform_graph, tuners)
    model = trainer.outputs[wire.MODEL]
    judges = _judges(settings, examples, model, with_history)
    pusher = _pusher(settings, where, model, *judges[-2:])
    learners = [transform, *tuners, trainer]
    return [example_gen, schema_gen, *checks, *learners, *judges, pusher]


def _data_checks(
    settings: config.PipelineConfig,
    example_gen: coco_example_gen.CocoExampleGen,
    schema: types.BaseChannel,
    with_history: bool,
) -> list[base_node.BaseNode]:
    """Statistics, anomalies, the statistics before, and the gate that reads them."""
    statistics_gen = stock.StatisticsGen(
        examples=example_gen.outputs[wire.EXAMPLES],
        stats_options=tfdv.StatsOptions(
            feature_allowlist=list(features.ANNOTATION_KEYS)
        ),
    )
    statistics = statistics_gen.outputs[wire.STATISTICS]
    validator = stock.ExampleValidator(statistics=statistics, schema=schema)
    before = [_statistics_before(statistics)] if with_history else []
    found = (
        before[0].outputs[previous_statistics_resolver.STATISTICS] if before else None
    )
    gate = data_gate.DataGate(
        anomalies=validator.outputs[wire.ANOMALIES],
        report=example_gen.outputs[wire.REPORT],
        statistics=statistics,
        previous_statistics=found,
        settings=settings.data.gate.model_dump_json(),
        num_queries=settings.model.decoder.num_queries,
        code_digest=code_digest.of_node("DataGate"),
    )
    return [statistics_gen, validator, *before, gate]


def _statistics_before(statistics: types.BaseChannel) -> resolver.Resolver:
    return resolver.Resolver(
        strategy_class=previous_statistics_resolver.PreviousStatistics,
        **previous_statistics_resolver.channels(statistics),
    ).with_id("PreviousStatistics")


def _judges(
    settings: config.PipelineConfig,
    examples: types.BaseChannel,
    model: types.BaseChannel,
    with_history: bool,
) -> list[base_node.BaseNode]:
    """The baseline, the evaluator and the serving validator."""
    baselines = [_baseline(model)] if with_history else []
    evaluator = coco_evaluator.CocoEvaluator(
        examples=examples,
        model=model,
        baseline_model=baselines[0].outputs[baseline_resolver.MODEL]
        if baselines
        else None,
        eval_config=json_format.MessageToJson(eval_config(settings.evaluate)),
        batch_size=settings.evaluate.batch_size,
        code_digest=code_digest.of_node("CocoEvaluator"),
    )
    validator = serving_validator.ServingValidator(
        model=model,
        examples=examples,
        num_requests=settings.serve.validation_requests,
        code_digest=code_digest.of_node("ServingValidator"),
    )
    return [*baselines, evaluator, validator]


def _baseline(model: types.BaseChannel) -> resolver.Resolver:
    return resolver.Resolver(
        strategy_class=baseline_resolver.LatestOtherBlessedModel,
        **baseline_resolver.channels(model),
    ).with_id("LatestBlessedModel")


def _pusher(
    settings: config.PipelineConfig,
    where: locations.Locations,
    model: types.BaseChannel,
    evaluator: base_node.BaseNode,
    validator: base_node.BaseNode,
) -> atomic_pusher.Pusher:
    folder = where.serving_root / settings.serve.model_name
    destination = pusher_pb2.PushDestination(
        filesystem=pusher_pb2.PushDestination.Filesystem(base_directory=str(folder))
    )
    return atomic_pusher.Pusher(
        model=model,
        model_blessing=evaluator.outputs[wire.BLESSING],
        infra_blessing=validator.outputs[wire.BLESSING],
        push_destination=destination,
    )


def _transform(
    settings: config.PipelineConfig,
    examples: types.BaseChannel,
    schema: types.BaseChannel,
) -> base_node.BaseNode:
    return stock.Transform(
        examples=examples,
        schema=schema,
        preprocessing_fn="model.examples.preprocessing.preprocessing_fn",
        custom_config=node_settings.of_transform(settings),
        # Images stay encoded on disk; training augments before it resizes.
        materialize=False,
    )


def _tuners(
    settings: config.PipelineConfig,
    examples: types.BaseChannel,
    transform_graph: types.BaseChannel,
) -> list[base_node.BaseNode]:
    """The Tuner, if there is anything to be tried."""
    if not settings.tune.trials:
        return []
    return [
        stock.Tuner(
            examples=examples,
            transform_graph=transform_graph,
            tuner_fn="model.tune_fn.tuner_fn",
            custom_config=node_settings.of_tuner(settings),
        )
    ]


def _trainer(
    settings: config.PipelineConfig,
    examples: types.BaseChannel,
    transform_graph: types.BaseChannel,
    tuners: list[base_node.BaseNode],
) -> base_node.BaseNode:
    steps = settings.train.steps  # or not known before the images are counted
    return stock.Trainer(
        examples=examples,
        transform_graph=transform_graph,
        hyperparameters=tuners[0].outputs[wire.BEST_HYPERPARAMETERS]
        if tuners
        else None,
        run_fn="model.run_fn.run_fn",
        # For readers of the graph; the Trainer goes by its configuration.
        train_args=trainer_pb2.TrainArgs(
            num_steps=steps if isinstance(steps, int) else None
        ),
        eval_args=trainer_pb2.EvalArgs(),
        custom_config=node_settings.of_trainer(settings),
    )


def eval_config(evaluate: evaluator_settings.EvaluateConfig) -> config_pb2.EvalConfig:
    """The thresholds as TensorFlow Model Analysis writes them (`tfma.EvalConfig`)."""
    overall = config_pb2.MetricThreshold(
        value_threshold=config_pb2.GenericValueThreshold(
            lower_bound={"value": evaluate.min_mask_ap}
        ),
        change_threshold=config_pb2.GenericChangeThreshold(
            direction=config_pb2.MetricDirection.HIGHER_IS_BETTER,
            absolute={"value": evaluate.min_mask_ap_change},
        ),
    )
    per_class = [
        config_pb2.PerSliceMetricThreshold(
            slicing_specs=[config_pb2.SlicingSpec(feature_values={"class": name})],
            threshold=config_pb2.MetricThreshold(
                value_threshold=config_pb2.GenericValueThreshold(
                    lower_bound={"value": floor}
                )
            ),
        )
        for name, floor in sorted(evaluate.min_class_ap.items())
    ]
    metric = config_pb2.MetricConfig(
        class_name="MaskAP", threshold=overall, per_slice_thresholds=per_class
    )
    return config_pb2.EvalConfig(
        model_specs=[config_pb2.ModelSpec(name="candidate")],
        metrics_specs=[config_pb2.MetricsSpec(metrics=[metric])],
    )
