import pytest
from ml_metadata.proto import metadata_store_pb2
from tfx.orchestration.portable import data_types
from tfx.proto import example_gen_pb2
from tfx.types import standard_artifacts
from tfx.utils import proto_utils

from components import artifact_types
from components.coco_example_gen import driver, ingest_settings
from foundation import errors


def drive(*roots, layout="auto"):
    base, splits = driver.input_of([str(root) for root in roots])
    outputs = {
        "examples": [standard_artifacts.Examples()],
        "report": [artifact_types.IngestionReport()],
    }
    properties = {
        "input_base": base,
        "input_config": proto_utils.proto_to_json(example_gen_pb2.Input(splits=splits)),
        "settings": ingest_settings.IngestSettings(layout=layout).model_dump_json(),
    }
    info = data_types.ExecutionInfo(output_dict=outputs, exec_properties=properties)
    return driver.Driver(metadata_handle=None).run(info)


def custom(output):
    artifact: metadata_store_pb2.Artifact = output.output_artifacts[
        "examples"
    ].artifacts[0]
    return artifact.custom_properties


def found_roots(output):
    """The folders that the executor will be told to read."""
    config = example_gen_pb2.Input()
    text = output.exec_properties["input_config"].string_value
    proto_utils.json_to_proto(text, config)
    base = output.exec_properties["input_base"].string_value
    return driver.dataset_roots(base, config.splits)


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
    assert found_roots(output) == [coco_folder.root / "day-12" / "v2"]


def test_a_span_that_does_not_exist_is_named(coco_folder):
    coco_folder.root.mkdir()
    with pytest.raises(errors.CocoFormatError, match=r"day-\{SPAN\}: no folder fits"):
        drive(coco_folder.root / "day-{SPAN}")


def test_an_unusable_folder_is_left_to_the_executor(tmp_path):
    output = drive(tmp_path / "nowhere")
    assert output.exec_properties["input_fingerprint"].string_value == "unusable"


def folders_with_data(coco_folder, *places):
    for place in places:
        type(coco_folder)(coco_folder.root / place).two_splits()
    return coco_folder.root


def test_each_of_several_roots_has_its_own_latest_span_and_version(coco_folder):
    root = folders_with_data(
        coco_folder, "a/day-3/v1", "a/day-3/v4", "a/day-7/v2", "b/8", "b/5", "c"
    )
    output = drive(
        root / "a" / "day-{SPAN}" / "v{VERSION}", root / "b/{SPAN}", root / "c"
    )
    assert found_roots(output) == [root / "a/day-7/v2", root / "b/8", root / "c"]
    assert custom(output)["span"].int_value == 8
    plain = drive(root / "a/day-7/v2", root / "b/8", root / "c")
    assert custom(plain)["input_fingerprint"] == custom(output)["input_fingerprint"]
    assert found_roots(plain) == found_roots(output)


def test_every_root_is_part_of_the_fingerprint(coco_folder):
    root = folders_with_data(coco_folder, "a", "b", "c")

    def fingerprint(*names):
        output = drive(*(root / name for name in names))
        return custom(output)["input_fingerprint"].string_value

    both = fingerprint("a", "b")
    assert (
        len({both, fingerprint("a"), fingerprint("b", "a"), fingerprint("a", "c")}) == 4
    )
    (root / "b" / "val" / "2.png").write_bytes(b"another")
    assert fingerprint("a", "b") not in (both, "unusable")


def test_a_root_inside_of_another_is_left_to_the_executor(coco_folder):
    root = folders_with_data(coco_folder, "a", "a/b")
    output = drive(root / "a", root / "a" / "b")
    assert found_roots(output) == [root / "a", root / "a" / "b"]
    assert custom(output)["input_fingerprint"].string_value == "unusable"


def test_absolute_and_relative_folders_do_not_mix():
    with pytest.raises(errors.ConfigError, match="/a, b: some are absolute"):
        driver.input_of(["/a", "b"])


@pytest.mark.parametrize("day", ["3", "12"])
def test_spans_of_labelme_folders_are_found_below_folders(coco_folder, day):
    folder = coco_folder.root / f"day-{day}" / "train"
    folder.mkdir(parents=True)
    (folder / "1.json").write_text('{"version": "5.0.1", "shapes": []}')
    output = drive(coco_folder.root / "day-{SPAN}")
    assert custom(output)["span"].int_value == int(day)
    assert len(custom(output)["input_fingerprint"].string_value) == 64
