import pytest
from ml_metadata.proto import metadata_store_pb2
from tfx.orchestration.portable import data_types
from tfx.proto import example_gen_pb2
from tfx.types import standard_artifacts
from tfx.utils import proto_utils

from components import artifact_types
from components.coco_example_gen import driver
from pipeline import data_config, errors


def drive(input_base, layout="auto"):
    base, pattern = driver.split_at_placeholder(str(input_base))
    split = example_gen_pb2.Input.Split(name="dataset", pattern=pattern)
    outputs = {
        "examples": [standard_artifacts.Examples()],
        "report": [artifact_types.IngestionReport()],
    }
    properties = {
        "input_base": base,
        "input_config": proto_utils.proto_to_json(
            example_gen_pb2.Input(splits=[split])
        ),
        "settings": data_config.IngestSettings(layout=layout).model_dump_json(),
    }
    info = data_types.ExecutionInfo(output_dict=outputs, exec_properties=properties)
    return driver.Driver(metadata_handle=None).run(info)


def custom(output):
    artifact: metadata_store_pb2.Artifact = output.output_artifacts[
        "examples"
    ].artifacts[0]
    return artifact.custom_properties


def test_the_fingerprint_is_put_on_the_examples_and_into_the_cache_key(coco_folder):
    coco_folder.two_splits()
    output = drive(coco_folder.root)
    fingerprint = custom(output)["input_fingerprint"].string_value
    assert len(fingerprint) == 64
    assert output.exec_properties["input_fingerprint"].string_value == fingerprint
    assert list(output.output_artifacts) == ["examples"]


def test_the_latest_span_and_version_are_taken(coco_folder):
    for folder in ("day-1/v3", "day-12/v1", "day-12/v2", "day-2/v9"):
        part = type(coco_folder)(coco_folder.root / folder)
        part.two_splits()
    output = drive(coco_folder.root / "day-{SPAN}" / "v{VERSION}")
    assert custom(output)["span"].int_value == 12
    assert custom(output)["version"].int_value == 2
    direct = drive(coco_folder.root / "day-12" / "v2")
    assert custom(direct)["input_fingerprint"] == custom(output)["input_fingerprint"]
    config = example_gen_pb2.Input()
    text = output.exec_properties["input_config"].string_value
    proto_utils.json_to_proto(text, config)
    root = driver.dataset_root(str(coco_folder.root), config.splits[0].pattern)
    assert root == coco_folder.root / "day-12" / "v2"


def test_a_span_that_does_not_exist_is_named(coco_folder):
    coco_folder.root.mkdir()
    with pytest.raises(errors.CocoFormatError, match=r"day-\{SPAN\}: no folder fits"):
        drive(coco_folder.root / "day-{SPAN}")


def test_an_unusable_folder_is_left_to_the_executor(tmp_path):
    output = drive(tmp_path / "nowhere")
    assert output.exec_properties["input_fingerprint"].string_value == "unusable"
