"""Support for the tests beside this file: tiny datasets and a real `Do`."""

import dataclasses
import json
import pathlib
import zlib

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from components.coco_example_gen import ingest_settings, ingestion
from components.coco_example_gen.read import layouts
from model.examples import features

SQUARE = [[2, 3, 6, 3, 6, 8, 2, 8]]  # x 2..5, y 3..7: 4 x 5 = 20 px


@dataclasses.dataclass
class Ingested:
    """Outputs of one run of the executor."""

    uri: pathlib.Path
    report_uri: pathlib.Path
    split_names: str = ""

    def files(self, split: str) -> list[str]:
        return sorted(str(p) for p in (self.uri / f"Split-{split}").glob("*.gz"))

    def records(self, split: str) -> list[bytes]:
        dataset = tf.data.TFRecordDataset(self.files(split), compression_type="GZIP")
        return list(dataset.as_numpy_iterator())

    def examples(self, split: str) -> list[dict]:
        return [
            {key: value.numpy() for key, value in features.parse_example(r).items()}
            for r in self.records(split)
        ]

    @property
    def summary(self) -> dict:
        return json.loads((self.report_uri / "summary.json").read_text())

    @property
    def problems(self) -> dict:
        return json.loads((self.report_uri / "problems.json").read_text())

    @property
    def occurrences(self) -> list[dict]:
        lines = (self.report_uri / "problems.jsonl").read_text().splitlines()
        return [json.loads(line) for line in lines]


class CocoFolder:
    """Builds a COCO dictionary and the images it names."""

    def __init__(self, root: pathlib.Path):
        self.root = root
        self.next_annotation = 1

    def image(self, path: str, height: int = 16, width: int = 12, **save) -> None:
        """Writes random uint8 pixels, in the mode and format asked for."""
        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        rng = np.random.default_rng(zlib.crc32(path.encode()))
        pixels = rng.integers(0, 256, [height, width, 3], np.uint8)
        mode = save.pop("mode", "RGB")
        picture = Image.fromarray(pixels).convert(mode)
        picture.save(target, **save)

    def entry(self, image_id: int, file_name: str, height=16, width=12) -> dict:
        return {
            "id": image_id,
            "file_name": file_name,
            "height": height,
            "width": width,
        }

    def annotation(self, image_id: int, category_id: int = 5, **changes) -> dict:
        self.next_annotation += 1
        return {
            "id": self.next_annotation,
            "image_id": image_id,
            "category_id": category_id,
            "iscrowd": 0,
            "segmentation": SQUARE,
            "bbox": [2, 3, 4, 5],
            "area": 20,
            **changes,
        }

    def write(self, path: str, images, annotations, categories=None) -> dict:
        content = {
            "images": images,
            "annotations": annotations,
            "categories": categories or [{"id": 5, "name": "square"}],
        }
        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(json.dumps(content))
        return content

    def train_and_eval(self, images, annotations, categories=None) -> None:
        """The train split as given, beside an eval split of one good image."""
        self.image("val/2.png")
        held_out = [self.entry(2, "2.png")], [self.annotation(2)], categories
        self.write("annotations/instances_val.json", *held_out)
        train = "annotations/instances_train.json"
        self.write(train, images, annotations, categories)

    def two_splits(self, **changes) -> None:
        """One image with one square in each split; `changes` are the train one's."""
        for split, image_id in (("train", 1), ("val", 2)):
            self.image(f"{split}/{image_id}.png")
            self.write(
                f"annotations/instances_{split}.json",
                [self.entry(image_id, f"{image_id}.png")],
                [self.annotation(image_id, **(changes if split == "train" else {}))],
            )


@pytest.fixture
def coco_folder(tmp_path):
    return CocoFolder(tmp_path / "data")


@pytest.fixture
def ingest(tmp_path):
    """Ingests one folder or several in this process, without TFX and Beam."""
    runs = []

    def run(*roots, run_shards=ingestion.run_here, **settings) -> Ingested:
        folder = tmp_path / f"run{len(runs)}"
        runs.append(folder)
        found = ingest_settings.IngestSettings(**settings)
        ingestion.ingest(
            layouts.detect_all(roots, found.layout),
            found,
            str(folder / "work"),
            {name: str(folder / f"Split-{name}") for name in ("train", "eval")},
            str(folder / "report"),
            run_shards,
        )
        return Ingested(folder, folder / "report")

    return run


@pytest.fixture
def execute(tmp_path):
    """Runs the real executor over a folder."""
    # Imports of TFX take seconds, which most of the tests beside this file can spare.
    from tfx.dsl.components.base import base_beam_executor
    from tfx.proto import example_gen_pb2
    from tfx.types import standard_artifacts
    from tfx.utils import proto_utils

    from components import artifact_types
    from components.coco_example_gen import executor

    runs = []

    def run(root, beam_args=(), **settings) -> Ingested:
        folder = tmp_path / f"executed{len(runs)}"
        runs.append(folder)
        examples = standard_artifacts.Examples()
        examples.uri = str(folder / "examples")
        report = artifact_types.IngestionReport()
        report.uri = str(folder / "report")
        for artifact in (examples, report):
            pathlib.Path(artifact.uri).mkdir(parents=True)
        context = base_beam_executor.BaseBeamExecutor.Context(
            beam_pipeline_args=list(beam_args),
            tmp_dir=str(folder / "tmp"),
            unique_id="1",
        )
        split = example_gen_pb2.Input.Split(name="dataset", pattern="*")
        executor.Executor(context).Do(
            {},
            {"examples": [examples], "report": [report]},
            {
                "input_base": str(root),
                "input_config": proto_utils.proto_to_json(
                    example_gen_pb2.Input(splits=[split])
                ),
                "settings": ingest_settings.IngestSettings(
                    **settings
                ).model_dump_json(),
            },
        )
        return Ingested(
            pathlib.Path(examples.uri),
            pathlib.Path(report.uri),
            examples.split_names,
        )

    return run
