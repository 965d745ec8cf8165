"""`m2f train` beside the nodes Transform and Trainer, on the smallest network."""

import json
import shutil
import types

import numpy as np
import pytest
import tfx_nodes
import tiny
from typer.testing import CliRunner

from foundation import errors
from model import run_fn
from model.serve import saved_model
from model.train import earlier_models
from pipeline import node_settings
from pipeline.cli import cli
from pipeline.settings import beam_arguments, config_file
from pipeline.tools import training

CHANGES = (
    *tiny.OVERRIDES,
    "data.pixel_statistics=imagenet",
    "model.backbone.stem_width=4",
    "model.pixel_decoder.channels=16",
    "model.pixel_decoder.norm_groups=2",
    "model.decoder.channels=16",
    "model.decoder.mask_channels=16",
    "train.checkpoint_steps=1",
    "train.validation.every_steps=2",
)


def settings(*more):
    return config_file.load("demo.yaml", (*CHANGES, *more))


def command(*arguments):
    chosen = [text for each in CHANGES for text in ("--set", each)]
    start = ["train", "--config", "demo.yaml", *chosen]
    return CliRunner().invoke(cli.app, [*start, *map(str, arguments)])


@pytest.fixture(scope="module")
def out(toy, tmp_path_factory):
    """A training that was run to its end."""
    folder = tmp_path_factory.mktemp("trained") / "out"
    result = command("--data", toy, "--out", folder)
    assert result.exit_code == 0, result.output
    return folder


def weights(model):
    return earlier_models.read(earlier_models.find(str(model)))[0]


def transformed(examples, told, folder):
    """The graph that TFX's own Transform makes of the examples."""
    from tfx import components
    from tfx.components.util import examples_utils
    from tfx.dsl.components.base import base_beam_executor
    from tfx.proto import example_gen_pb2
    from tfx.types import standard_artifacts

    from pipeline import locations

    inputs = tfx_nodes.artifacts(
        tfx_nodes.channels(
            examples=standard_artifacts.Examples, schema=standard_artifacts.Schema
        ),
        folder / "inputs",
    )
    (stored,), (schema,) = inputs["examples"], inputs["schema"]
    stored.split_names = json.dumps(["train", "eval"])
    for split in ("train", "eval"):
        target = folder / "inputs" / "examples" / f"Split-{split}"
        shutil.copytree(examples / split, target)
    examples_utils.set_payload_format(stored, example_gen_pb2.FORMAT_TF_EXAMPLE)
    examples_utils.set_file_format(stored, "tfrecords_gzip")
    shutil.copy(locations.SCHEMA, f"{schema.uri}/schema.pbtxt")
    node = components.Transform(
        examples=tfx_nodes.channels(e=standard_artifacts.Examples)["e"],
        schema=tfx_nodes.channels(s=standard_artifacts.Schema)["s"],
        preprocessing_fn="model.examples.preprocessing.preprocessing_fn",
        custom_config=told,
        materialize=False,
    )
    context = base_beam_executor.BaseBeamExecutor.Context(
        beam_pipeline_args=beam_arguments.build("local", 1, ()),
        tmp_dir=str(folder / "tmp"),
        unique_id="1",
    )
    made = tfx_nodes.run(node, inputs, folder / "outputs", context)
    return made["transform_graph"].uri


def test_the_model_is_that_of_the_nodes_bit_for_bit(out, tmp_path):
    wanted = settings()
    examples = out / "examples"
    graph = transformed(examples, node_settings.of_transform(wanted), tmp_path)
    run_fn.run_fn(
        types.SimpleNamespace(
            custom_config=node_settings.of_trainer(wanted),
            hyperparameters=None,
            train_files=[f"{examples}/train/*"],
            eval_files=[f"{examples}/eval/*"],
            transform_graph_path=graph,
            model_run_dir=str(tmp_path / "Trainer" / "model_run" / "3"),
            serving_model_dir=str(tmp_path / "model"),
        )
    )
    mine, theirs = weights(out / "model"), weights(tmp_path / "model")
    assert set(mine) == set(theirs)
    for name, value in theirs.items():
        np.testing.assert_array_equal(mine[name], value, err_msg=name)
    tables = [
        saved_model.read_categories(each)
        for each in (out / "model", tmp_path / "model")
    ]
    assert tables[0] == tables[1]


def test_the_folder_has_what_a_run_of_the_graph_leaves(out):
    names = {each.name for each in out.iterdir()}
    assert {"model", "checkpoints", "validation.csv", "examples", "logs"} <= names
    assert (out / "checkpoints" / "ckpt-2.json").is_file()
    assert list(out.glob("events.out.tfevents.*"))
    found = saved_model.load(out / "model")
    assert json.loads(found.info["training"])["steps"] == 2
    assert json.loads(found.info["config"])["name"] == "tiny"


def test_the_same_command_makes_nothing_twice_and_tells_the_outcome(out, toy, capfd):
    kept = [*(out / "examples").rglob("*"), *(out / "checkpoints").rglob("*")]
    before = {path: path.stat().st_mtime_ns for path in kept if path.is_file()}
    result = command("--data", toy, "--out", out)
    assert result.exit_code == 0, result.output
    assert {path: path.stat().st_mtime_ns for path in before} == before
    shown = capfd.readouterr()  # the terminal itself, not what Typer writes to
    lines = shown.out.splitlines()
    assert lines[0].startswith(f"log       {out}/logs/")
    assert f"model     {out}/model" in lines
    assert any(line.startswith("mask AP   ") for line in lines)
    assert any(line.startswith("cost      ") for line in lines)
    assert (shown.err, "tensorflow" in shown.out.lower()) == ("", False)


def test_another_configuration_is_refused_with_what_differs_and_the_model_stays(
    out, toy
):
    model = (out / "model" / "saved_model.pb").stat().st_mtime_ns
    result = command("--data", toy, "--out", out, "--seed", "8")
    assert result.exit_code == 2
    assert "holds a training, at step 2" in result.output
    assert "train.seed was 0 and is 8" in result.output
    assert (out / "model" / "saved_model.pb").stat().st_mtime_ns == model


def test_other_data_is_refused_before_it_is_ingested(out, data):
    (data / "train" / "new.jpg").write_bytes(b"\xff\xd8\xff")
    stored = training.of_data([data], settings(), out)
    with pytest.raises(errors.ConfigError, match="the examples was"):
        training.run(stored, settings(), out)


def test_examples_that_are_there_are_trained_on(out, tmp_path):
    stored = training.of_records(out / "examples")
    assert (stored.make, len(stored.name)) == (None, 16)
    copy = shutil.copytree(out / "examples", tmp_path / "copy")
    assert training.of_records(copy).name == stored.name
    for split in ("train", "eval"):
        (copy / split).rename(copy / f"Split-{split}")
    renamed = training.of_records(copy)
    assert renamed.name == stored.name
    assert "/Split-train/" in renamed.pattern("train")
    file = next((copy / "Split-train").glob("*.gz"))
    packed = bytearray(file.read_bytes())
    packed[-5] ^= 1  # of the checksum, which stands before the size
    file.write_bytes(packed)
    assert training.of_records(copy).name != stored.name


def test_a_folder_without_examples_is_told(tmp_path):
    with pytest.raises(errors.UserError, match="--examples .*no TFRecords in train/"):
        training.of_records(tmp_path)


def test_a_start_that_is_not_there_stops_before_anything_is_made(toy, tmp_path):
    target = tmp_path / "out"
    start = ("--set", f"train.init_from={tmp_path}/nowhere")
    result = command("--data", toy, "--out", target, *start)
    assert result.exit_code == 2
    assert "train.init_from" in result.output and "does not exist" in result.output
    assert not (target / "examples").exists()
