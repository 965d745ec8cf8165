import pytest
import tfx_nodes
from tfx.dsl.components.base import base_beam_executor
from tfx.proto import example_gen_pb2
from tfx.types import standard_artifacts
from tfx.utils import proto_utils

from components import artifact_types
from components.coco_example_gen import component, driver, ingest_settings
from foundation import errors

QUICK = ingest_settings.IngestSettings(eval_fraction=0.5)


def built(*roots, **changes):
    return component.CocoExampleGen(roots=[str(root) for root in roots], **changes)


def test_it_declares_what_the_graph_connects():
    node = built("data")
    assert not node.inputs
    assert {name: c.type for name, c in node.outputs.items()} == {
        "examples": standard_artifacts.Examples,
        "report": artifact_types.IngestionReport,
    }
    assert node.DRIVER_CLASS is driver.Driver  # else every new picture is a cache hit


def test_its_executor_reads_every_root_it_was_built_with(coco_folder, tmp_path):
    for name, number in (("a", 1), ("b", 5)):
        folder = type(coco_folder)(coco_folder.root / name)
        folder.image(f"{number}.png")
        folder.image(f"{number + 1}.png")
        entries = [folder.entry(i, f"{i}.png") for i in (number, number + 1)]
        boxes = [folder.annotation(i) for i in (number, number + 1)]
        folder.write("all.json", entries, boxes)
    node = built(coco_folder.root / "a", coco_folder.root / "b", settings=QUICK)
    context = base_beam_executor.BaseBeamExecutor.Context(
        beam_pipeline_args=[], tmp_dir=str(tmp_path / "tmp"), unique_id="1"
    )
    written = tfx_nodes.run(node, {}, tmp_path / "outputs", context)
    for artifact in written.values():
        assert artifact.get_int_custom_property("train_images") == 2
        assert artifact.get_int_custom_property("eval_images") == 2
    assert written["examples"].split_names == '["train", "eval"]'


@pytest.mark.parametrize(
    ("roots", "base", "patterns"),
    [
        (["/data/a"], "/data/a", ["*"]),
        (["/data/day-{SPAN}/set"], "/data", ["day-{SPAN}/set/*"]),
        (["/data/a", "/data/b/{SPAN}"], "/data", ["a/*", "b/{SPAN}/*"]),
    ],
)
def test_placeholders_are_left_for_tfxs_driver_below_what_the_roots_share(
    roots, base, patterns
):
    properties = built(*roots).exec_properties
    config = example_gen_pb2.Input()
    proto_utils.json_to_proto(properties["input_config"], config)
    assert properties["input_base"] == base
    assert [split.pattern for split in config.splits] == patterns


def test_roots_that_nothing_holds_are_refused_when_the_graph_is_built():
    with pytest.raises(errors.ConfigError, match="/a, b: some are absolute"):
        built("/a", "b")


def test_how_the_folders_are_read_is_part_of_the_cache_key():
    before = built("data").exec_properties
    after = built("data", settings=QUICK, code_digest="x").exec_properties
    assert {name for name in after if after[name] != before[name]} == {
        "settings",
        "code_digest",
    }
    text = after["settings"]
    assert ingest_settings.IngestSettings.model_validate_json(text) == QUICK
