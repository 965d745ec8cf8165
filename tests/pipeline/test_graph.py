import json
import pathlib

import pytest
from apache_beam.options import pipeline_options
from tfx.dsl.compiler import compiler
from tfx.dsl.components.base import executor_spec

from components.coco_evaluator import evaluator_settings
from foundation import artifact_paths, errors
from model import config as model_config
from pipeline import graph, locations
from pipeline.settings import config, config_file, run_config

NODES = [
    "CocoExampleGen",
    "ImportSchemaGen",
    "StatisticsGen",
    "ExampleValidator",
    "PreviousStatistics",
    "DataGate",
    "Transform",
    "Trainer",
    "ServingValidator",
    "LatestBlessedModel",
    "CocoEvaluator",
    "Pusher",
]
LOCATIONS = locations.Locations(
    ("data",), pathlib.Path("root"), pathlib.Path("serving")
)

# Trained from random weights, as frozen norms cannot be.
NETWORK = model_config.ModelConfig.model_validate({"backbone": {"norm": "group"}})


def compiled(settings: config.PipelineConfig):
    ir = compiler.Compiler().compile(graph.create_pipeline(settings, LOCATIONS))
    return {node.pipeline_node.node_info.id: node.pipeline_node for node in ir.nodes}


@pytest.fixture(scope="module")
def nodes():
    return compiled(config.PipelineConfig(name="a", model=NETWORK))


def parameters(node) -> str:
    return str(sorted((k, str(v)) for k, v in node.parameters.parameters.items()))


def test_every_node_runs_after_all_it_depends_on(nodes):
    assert sorted(nodes) == sorted(NODES)
    order = list(nodes)
    for name, node in nodes.items():
        for upstream in node.upstream_nodes:
            assert order.index(upstream) < order.index(name)


@pytest.mark.parametrize(
    ("node", "upstream"),
    [
        (
            "DataGate",
            {
                "CocoExampleGen",
                "StatisticsGen",
                "ExampleValidator",
                "PreviousStatistics",
            },
        ),
        ("Transform", {"CocoExampleGen", "ImportSchemaGen", "DataGate"}),
        ("Trainer", {"CocoExampleGen", "Transform"}),
        ("CocoEvaluator", {"CocoExampleGen", "Trainer", "LatestBlessedModel"}),
        ("ServingValidator", {"CocoExampleGen", "Trainer"}),
        ("Pusher", {"Trainer", "CocoEvaluator", "ServingValidator"}),
    ],
)
def test_nothing_passes_the_gates_around(nodes, node, upstream):
    assert set(nodes[node].upstream_nodes) == upstream


def test_a_new_threshold_changes_the_evaluator_and_no_other_node(nodes):
    evaluate = evaluator_settings.EvaluateConfig(min_mask_ap=0.9)
    changed = compiled(
        config.PipelineConfig(name="a", model=NETWORK, evaluate=evaluate)
    )
    differing = [n for n in NODES if parameters(nodes[n]) != parameters(changed[n])]
    assert differing == ["CocoEvaluator"]


def test_every_node_with_code_of_ours_carries_its_digest(nodes):
    ours = ("CocoExampleGen", "DataGate", "CocoEvaluator", "ServingValidator")
    for node in (*ours, "Transform", "Trainer"):
        assert "code_digest" in parameters(nodes[node]), node


def test_what_tfx_computes_without_a_digest_is_of_what_has_one(nodes):
    """Another version of TFDV ingests again, and so makes new statistics."""
    for node, key, producer in (
        ("ExampleValidator", "statistics", "StatisticsGen"),
        ("StatisticsGen", "examples", "CocoExampleGen"),
    ):
        assert "code_digest" not in parameters(nodes[node])
        (channel,) = nodes[node].inputs.inputs[key].channels
        assert channel.producer_node_query.id == producer
    assert "code_digest" in parameters(nodes["CocoExampleGen"])


def test_thresholds_are_those_of_the_configuration():
    found = graph.eval_config(
        evaluator_settings.EvaluateConfig(
            min_mask_ap=0.4, min_mask_ap_change=-0.02, min_class_ap={"dog": 0.3}
        )
    )
    (metric,) = found.metrics_specs[0].metrics
    assert metric.threshold.value_threshold.lower_bound.value == 0.4
    assert metric.threshold.change_threshold.absolute.value == -0.02
    (dog,) = metric.per_slice_thresholds
    assert dog.slicing_specs[0].feature_values["class"] == "dog"
    assert dog.threshold.value_threshold.lower_bound.value == 0.3


def test_engine_and_its_arguments_reach_every_node_that_uses_beam():
    run = run_config.RunConfig(beam_runner="flink", beam_workers=3)
    kubeflow = {"image": "registry.example.com/m2f:1"}
    settings = config.PipelineConfig(
        name="a", model=NETWORK, run=run, kubeflow=kubeflow
    )
    pipeline = graph.create_pipeline(settings, LOCATIONS)
    assert "--parallelism=3" in pipeline.beam_pipeline_args
    assert "--sdk_container_image=registry.example.com/m2f:1" in (
        pipeline.beam_pipeline_args
    )


def on_dataflow():
    arguments = ["--project=p", "--region=r", "--temp_location=gs://b/t"]
    run = run_config.RunConfig(
        beam_runner="dataflow",
        beam_workers=3,
        beam_args=[*arguments, "--sdk_container_image=i"],
    )
    return config.PipelineConfig(name="a", model=NETWORK, run=run)


def test_dataflow_is_refused_a_root_that_google_cannot_read():
    with pytest.raises(errors.ConfigError, match="cannot read root; wanted a pipe"):
        graph.create_pipeline(on_dataflow(), LOCATIONS)


def test_on_dataflow_only_the_node_that_reads_the_volume_runs_in_its_own_pod():
    root, serving = map(artifact_paths.of, ("gs://b/root", "gs://b/serving"))
    where = locations.Locations(("/mnt/data",), root, serving)
    pipeline = graph.create_pipeline(on_dataflow(), where)
    runners = {}
    for node in pipeline.components:
        spec = node.executor_spec
        if isinstance(spec, executor_spec.BeamExecutorSpec):
            chosen = pipeline_options.PipelineOptions(spec.beam_pipeline_args)
            runners[node.id] = chosen.view_as(pipeline_options.StandardOptions).runner
            workers = chosen.view_as(pipeline_options.DirectOptions).direct_num_workers
            if node.id == "CocoExampleGen":
                assert workers == 3
    dataflow = "DataflowRunner"
    local = "pipeline.nodes.beam_runner.ProcessRunner"
    assert runners == {
        "CocoExampleGen": local,
        "StatisticsGen": dataflow,
        "Transform": dataflow,
    }


def test_severities_limits_and_the_number_of_queries_reach_the_gate():
    settings = config.PipelineConfig.model_validate(
        {
            "name": "a",
            "data": {"gate": {"class_drift": {"limit": 0.3}}},
            "model": {"backbone": {"norm": "group"}, "decoder": {"num_queries": 7}},
        }
    )
    found = compiled(settings)["DataGate"].parameters.parameters
    gate = json.loads(found["settings"].field_value.string_value)
    assert gate["class_drift"] == {"severity": "warning", "limit": 0.3}
    assert gate["problems"]["missing_image"] == {"severity": "error", "limit": 0}
    assert found["num_queries"].field_value.int_value == 7


def test_what_training_does_not_depend_on_does_not_train_again(nodes):
    changed = compiled(
        config.PipelineConfig(
            name="a",
            model=NETWORK,
            data=config.DataConfig.model_validate(
                {"gate": {"problems": {"missing_image": {"limit": 2}}}}
            ),
            serve=config.ServeConfig(model_name="other", validation_requests=9),
        )
    )
    differing = {n for n in NODES if parameters(nodes[n]) != parameters(changed[n])}
    assert differing == {"DataGate", "ServingValidator", "Pusher"}


def normalised(**sections):
    """What Transform is told to normalise with; None when it is to measure."""
    found = compiled(config.PipelineConfig.model_validate({"name": "a", **sections}))
    parameters = found["Transform"].parameters.parameters
    told = json.loads(parameters["custom_config"].field_value.string_value)
    assert "pixel_statistics" not in told["data"]
    return json.loads(told["pixels"]) if "pixels" in told else None


def test_numbers_and_not_words_decide_what_images_are_normalised_with():
    resnet = {"model": {"backbone": {"norm": "group"}}}
    lite = {"model": {"backbone": {"name": "efficientnet_lite0", "norm": "group"}}}
    imagenet = {"data": {"pixel_statistics": "imagenet"}}
    numbers = {"mean": [123.675, 116.28, 103.53], "std": [58.395, 57.12, 57.375]}
    assert normalised(**resnet) == normalised(**resnet, **imagenet) == numbers
    assert normalised(**lite) == {"mean": [127.0] * 3, "std": [128.0] * 3}
    assert normalised(**lite, **imagenet) == numbers
    assert normalised(**lite, data={"pixel_statistics": "dataset"}) is None


@pytest.mark.parametrize("preset", ["coco_r50.yaml"])
def test_norms_of_weights_are_refused_where_there_are_no_weights(preset):
    settings = config_file.load(preset)
    with pytest.raises(errors.ConfigError, match="frozen_batch.*train.init_from"):
        graph.create_pipeline(settings, LOCATIONS)


TUNE = {"trials": 2, "search": {"train.learning_rate": {"min": 0.1, "max": 0.2}}}


def tuned(**others):
    values = {"name": "a", "model": NETWORK.model_dump(), "tune": TUNE, **others}
    return compiled(config.PipelineConfig.model_validate(values))


def test_with_trials_a_tuner_stands_before_the_trainer_and_hands_on_its_best(nodes):
    found = tuned()
    assert sorted(found) == sorted([*NODES, "Tuner"])
    assert set(found["Tuner"].upstream_nodes) == {"CocoExampleGen", "Transform"}
    assert "Tuner" in found["Trainer"].upstream_nodes
    (channel,) = found["Trainer"].inputs.inputs["hyperparameters"].channels
    assert channel.output_key == "best_hyperparameters"
    assert "code_digest" in parameters(found["Tuner"])
    for node in NODES:
        assert parameters(found[node]) == parameters(nodes[node]), node


def test_another_search_tunes_anew_and_changes_no_other_node():
    before, after = tuned(), tuned(tune={**TUNE, "seed": 1})
    names = before.keys()
    differing = [n for n in names if parameters(before[n]) != parameters(after[n])]
    assert differing == ["Tuner"]


def test_the_length_of_the_training_does_not_tune_anew_when_trials_have_their_own():
    tune = {**TUNE, "steps": 5}
    one, other = (tuned(tune=tune, train={"steps": steps}) for steps in (7, 8))
    assert parameters(one["Tuner"]) == parameters(other["Tuner"])
    assert parameters(one["Trainer"]) != parameters(other["Trainer"])
