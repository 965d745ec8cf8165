import json

import pytest

from pipeline import locations
from pipeline.cluster import run_vertex

SCHEMA_TYPE = {"instanceSchema": "title: tfx.Schema\ntype: object\n"}


def invocation(**parameters):
    uri = "gs://bucket/root/7/ImportSchemaGen_1"
    schema = {
        "name": "projects/1/locations/l/metadataStores/default/artifacts/9",
        "uri": f"{uri}/schema",
        "type": SCHEMA_TYPE,
    }
    return {
        "inputs": {"parameterValues": parameters},
        "outputs": {
            "artifacts": {"schema": {"artifacts": [schema]}},
            "outputFile": f"{uri}/executor_output.json",
        },
    }


def test_a_node_works_in_the_mounted_bucket_and_answers_with_its_address(tmp_path):
    value = "package://schemas/coco_examples.pbtxt#0123"
    arguments = [
        "--executor_class_path",
        "tfx.components.schema_gen.import_schema_gen.executor.Executor",
        "--json_serialized_invocation_args",
        json.dumps(invocation(schema_file=value)),
        "--json_serialized_inputs_spec_args",
        json.dumps({"parameters": {"schema_file": {"parameterType": "STRING"}}}),
    ]
    assert run_vertex.main(arguments, mount=str(tmp_path)) == 0
    folder = tmp_path / "bucket/root/7/ImportSchemaGen_1"
    written = (folder / "schema/schema.pbtxt").read_text()
    assert written.count("feature {") == locations.SCHEMA.read_text().count("feature {")
    said = json.loads((folder / "executor_output.json").read_text())
    (schema,) = said["artifacts"]["schema"]["artifacts"]
    assert schema["uri"] == "gs://bucket/root/7/ImportSchemaGen_1/schema"


def test_a_node_that_fails_keeps_its_exit_code(tmp_path):
    arguments = [
        "--executor_class_path",
        "no.such.Executor",
        "--json_serialized_invocation_args",
        json.dumps(invocation()),
    ]
    assert run_vertex.main(arguments, mount=str(tmp_path)) == 1


def test_inputs_outputs_and_packaged_files_get_the_names_seen_here(tmp_path):
    asked = invocation(schema_file="package://schemas/coco_examples.pbtxt#0", x=3.0)
    examples = {"uri": "gs://b/root/examples", "type": SCHEMA_TYPE}
    asked["inputs"]["artifacts"] = {"examples": {"artifacts": [examples]}}
    run_vertex.localise(asked, "/gcs")
    (found,) = asked["inputs"]["artifacts"]["examples"]["artifacts"]
    assert found["uri"] == "/gcs/b/root/examples"
    outputs = asked["outputs"]
    assert outputs["outputFile"].startswith("/gcs/bucket/root/7/")
    assert outputs["artifacts"]["schema"]["artifacts"][0]["uri"].startswith("/gcs/")
    parameters = asked["inputs"]["parameterValues"]
    assert parameters == {"schema_file": str(locations.SCHEMA), "x": 3.0}


@pytest.mark.parametrize(
    ("title", "wanted"),
    [
        ("mask2former.DataVerdict", "components.artifact_types.DataVerdict"),
        ("tfx.Model", "tfx.Model"),
    ],
)
def test_our_types_are_named_by_the_place_of_their_class(title, wanted):
    asked = invocation()
    artifact = asked["outputs"]["artifacts"]["schema"]["artifacts"][0]
    artifact["type"] = {"instanceSchema": f"title: {title}\ntype: object\n"}
    run_vertex.localise(asked, "/gcs")
    assert artifact["type"]["instanceSchema"] == f"title: {wanted}\ntype: object\n"
