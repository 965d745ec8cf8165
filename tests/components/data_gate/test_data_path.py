"""CocoExampleGen to DataGate as a pipeline: values, cache, and being stopped."""

import dataclasses
import json
import pathlib
from importlib import resources

import ml_metadata
import pytest
from tfx import v1 as tfx

from components.coco_example_gen import component as coco_example_gen
from components.data_gate import component as data_gate
from foundation import errors
from model.examples import features
from pipeline.metadata import store as metadata
from pipeline.nodes import previous_statistics_resolver
from pipeline.toy import toy_coco

# TFX goes first: it makes this TFDV importable beside this tfx-bsl.
import tensorflow_data_validation as tfdv  # isort: skip
from ml_metadata.proto import metadata_store_pb2  # isort: skip


def make_pipeline(root, workspace, problems=None, code_digest="1"):
    example_gen = coco_example_gen.CocoExampleGen(
        roots=[str(root)], code_digest=code_digest
    )
    options = tfdv.StatsOptions(feature_allowlist=list(features.ANNOTATION_KEYS))
    statistics_gen = tfx.components.StatisticsGen(
        examples=example_gen.outputs["examples"], stats_options=options
    )
    schema_gen = tfx.components.ImportSchemaGen(
        schema_file=str(resources.files("schemas") / "coco_examples.pbtxt")
    )
    validator = tfx.components.ExampleValidator(
        statistics=statistics_gen.outputs["statistics"],
        schema=schema_gen.outputs["schema"],
    )
    statistics = statistics_gen.outputs["statistics"]
    before = tfx.dsl.Resolver(
        strategy_class=previous_statistics_resolver.PreviousStatistics,
        **previous_statistics_resolver.channels(statistics),
    ).with_id("PreviousStatistics")
    gate = data_gate.DataGate(
        anomalies=validator.outputs["anomalies"],
        report=example_gen.outputs["report"],
        statistics=statistics,
        previous_statistics=before.outputs[previous_statistics_resolver.STATISTICS],
        settings=json.dumps({"problems": problems or {}}),
        num_queries=20,
    )
    metadata = tfx.orchestration.metadata.sqlite_metadata_connection_config(
        str(workspace / "metadata.sqlite")
    )
    return tfx.dsl.Pipeline(
        pipeline_name="data_path",
        pipeline_root=str(workspace / "artifacts"),
        metadata_connection_config=metadata,
        components=[
            example_gen,
            statistics_gen,
            schema_gen,
            validator,
            before,
            gate,
        ],
        enable_cache=True,
    )


class DataPath:
    """A tiny dataset and the pipeline that reads it."""

    def __init__(self, folder: pathlib.Path):
        self.root = toy_coco.generate(folder / "data", num_train=8, num_eval=5, size=64)
        self.workspace = folder / "workspace"
        self.workspace.mkdir()

    def run(self, **changes) -> dict[str, str]:
        """Runs the pipeline; returns the last state of every node's executions."""
        runner = tfx.orchestration.LocalDagRunner()
        runner.run(make_pipeline(self.root, self.workspace, **changes))
        return self.states()

    def store(self) -> ml_metadata.MetadataStore:
        return ml_metadata.MetadataStore(
            tfx.orchestration.metadata.sqlite_metadata_connection_config(
                str(self.workspace / "metadata.sqlite")
            )
        )

    def states(self) -> dict[str, str]:
        store = self.store()
        types = {t.id: t.name.split(".")[-1] for t in store.get_execution_types()}
        found: dict[str, str] = {}
        names = metadata_store_pb2.Execution.State
        for execution in sorted(store.get_executions(), key=lambda e: e.id):
            state = names.Name(execution.last_known_state)
            found[types[execution.type_id]] = state
        return found

    def verdicts(self) -> list[metadata.Execution]:
        """The gate's executions that made a verdict, oldest first, not the cached."""
        reader = metadata.Store(self.store())
        found = reader.artifacts("mask2former.DataVerdict")
        return [reader.producer(verdict.artifact_id) for verdict in found]

    def artifacts(self, type_name: str):
        found = self.store().get_artifacts_by_type(type_name)
        return sorted(found, key=lambda artifact: artifact.id)


@dataclasses.dataclass
class History:
    """Four runs over the same workspace, the data changed in between."""

    path: DataPath
    unchanged: dict[str, str]
    annotation_changed: dict[str, str]
    image_lost: dict[str, str]
    refusal: str
    image_allowed: dict[str, str]


@pytest.fixture(scope="module")
def history(tmp_path_factory):
    path = DataPath(tmp_path_factory.mktemp("data_path"))
    path.run()
    unchanged = path.run()
    file = path.root / "annotations" / "instances_train.json"
    content = json.loads(file.read_text())
    content["annotations"][0]["category_id"] = 22
    file.write_text(json.dumps(content))
    annotation_changed = path.run()
    (path.root / "val" / "000009.jpg").unlink()
    with pytest.raises(errors.DataGateError) as stopped:
        path.run()
    image_lost = path.states()
    image_allowed = path.run(problems={"missing_image": {"limit": 1}})
    return History(
        path,
        unchanged,
        annotation_changed,
        image_lost,
        str(stopped.value),
        image_allowed,
    )


def test_an_unchanged_rerun_is_all_cache_hits(history):
    assert set(history.unchanged) == {
        "CocoExampleGen",
        "StatisticsGen",
        "ImportSchemaGen",
        "ExampleValidator",
        "Resolver",
        "DataGate",
    }
    states = dict(history.unchanged)
    states.pop("Resolver")  # which always makes a new execution
    assert set(states.values()) == {"CACHED"}


def test_a_changed_annotation_is_ingested_anew(history):
    assert history.annotation_changed["CocoExampleGen"] == "COMPLETE"
    assert history.annotation_changed["DataGate"] == "COMPLETE"


def test_a_lost_image_stops_the_run_until_it_is_allowed(history):
    assert history.image_lost["CocoExampleGen"] == "COMPLETE"
    assert history.image_lost["DataGate"] == "FAILED"
    assert "000009.jpg, image 9: no such file" in history.refusal
    assert "--set data.gate.problems.missing_image.limit=1" in history.refusal
    assert history.image_allowed["CocoExampleGen"] == "CACHED"
    assert history.image_allowed["DataGate"] == "COMPLETE"


def test_both_outputs_of_the_example_gen_reach_the_metadata_store(history):
    examples = history.path.artifacts("Examples")[0]
    report = history.path.artifacts("mask2former.IngestionReport")[0]
    splits = json.loads(examples.properties["split_names"].string_value)
    assert splits == ["train", "eval"]
    assert len(examples.custom_properties["input_fingerprint"].string_value) == 64
    assert examples.custom_properties["span"].int_value == 0
    assert examples.custom_properties["train_images"].int_value == 8
    assert report.custom_properties["eval_images"].int_value == 5
    assert (pathlib.Path(report.uri) / "summary.json").is_file()


def test_the_verdict_is_kept_when_the_data_passes(history):
    verdict = history.path.artifacts("mask2former.DataVerdict")[0]
    content = json.loads((pathlib.Path(verdict.uri) / "verdict.json").read_text())
    assert content["passed"] is True
    counts = {check["name"]: check["value"] for check in content["checks"]}
    assert counts["anomalies in train"] == 0
    assert counts["anomalies in eval"] == 0
    assert counts["image_without_objects"] == 2  # the fourth picture of each split


def test_drift_is_judged_against_the_data_before_that_passed(history):
    """One of the instances changed its class; then an image got lost, twice judged."""
    first, changed, lost = history.path.verdicts()
    assert "previous_statistics" not in first.inputs
    (before,) = changed.inputs["previous_statistics"]
    assert before.artifact_id == first.inputs["statistics"][0].artifact_id
    (before,) = lost.inputs["previous_statistics"]
    assert before.artifact_id == changed.inputs["statistics"][0].artifact_id
    content = json.loads(
        (pathlib.Path(changed.outputs["verdict"][0].uri) / "verdict.json").read_text()
    )
    values = {check["name"]: check["value"] for check in content["checks"]}
    file = history.path.root / "annotations" / "instances_train.json"
    instances = json.loads(file.read_text())["annotations"]
    drift = values["drift of class frequencies in train"]
    assert drift == pytest.approx(1 / len(instances))
    assert values["drift of class frequencies in eval"] == 0
