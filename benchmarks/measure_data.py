"""Times one workload on a COCO folder in this process and prints one JSON line.

    python -m benchmarks.measure_data {ours,plain,read} DIR OUT

`ours` is the whole of ingestion, `plain` the converter of `benchmarks.data_plain`, and
`read` what ingestion does before it looks at the first image.
"""

import argparse
import json
import pathlib
import resource
import time
from collections.abc import Callable, Mapping

import tensorflow as tf

from benchmarks import data_plain
from components import wire
from components.coco_example_gen import ingest_settings, ingestion, problems
from components.coco_example_gen.read import layouts
from components.coco_example_gen.write import plans
from model.examples import features


def main() -> None:
    """Runs the workload that the arguments name."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("workload", choices=("ours", "plain", "read"))
    parser.add_argument("data", type=pathlib.Path)
    parser.add_argument("out", type=pathlib.Path)
    args = parser.parse_args()
    args.out.mkdir(parents=True)
    workload = {"ours": ours, "plain": plain, "read": read}[args.workload]
    base, start, processor = _peak_mib(), time.perf_counter(), time.process_time()
    measured = workload(args.data, args.out)
    measured["seconds"] = time.perf_counter() - start
    measured["processor_seconds"] = time.process_time() - processor
    measured |= {"base_mib": base, "peak_mib": _peak_mib()}
    print(json.dumps({**measured, **_sizes(args.out)}))


def ours(data: pathlib.Path, out: pathlib.Path) -> dict[str, float]:
    """Ingests in one process.

    Returns:
        Images; processor seconds spent before the first image, on the images, and on
        the report after them; peaks of memory so far.
    """
    stages: dict[str, float] = {}
    start = time.process_time()

    def run_shards(work: list[plans.Shard]) -> None:
        began = time.process_time()
        stages["read_peak_mib"] = _peak_mib()
        ingestion.run_here(work)
        ended = time.process_time()
        stages["reading"], stages["images_alone"] = began - start, ended - began
        stages["images_peak_mib"] = _peak_mib()

    summary = ingestion.ingest(
        layouts.detect_all([data]),
        ingest_settings.IngestSettings(),
        str(out / "work"),
        _record_folders(out),
        str(out / "report"),
        run_shards,
    )
    before = stages["reading"] + stages["images_alone"]
    stages["report"] = time.process_time() - start - before
    images = sum(split["images"] for split in summary["splits"].values())
    return {**stages, "images": images}


def plain(data: pathlib.Path, out: pathlib.Path) -> dict[str, float]:
    """Converts both splits, one after the other."""
    (layout,) = layouts.detect_all([data])
    images = sum(
        data_plain.convert(
            source.annotation_file, source.image_folders[0], out / f"{split}.tfrecord"
        )
        for split, source in layout.sources().items()
    )
    return {"images": images}


def read(data: pathlib.Path, out: pathlib.Path) -> dict[str, float]:
    """Reads the annotations and writes the plans of the workers."""
    shards: list = []
    run_shards: Callable[[list], None] = shards.extend
    ingestion.store(
        layouts.detect_all([data]),
        ingest_settings.IngestSettings(),
        str(out / "work"),
        _record_folders(out),
        run_shards,
        problems.ProblemLog(),
    )
    return {"shards": len(shards)}


def _record_folders(out: pathlib.Path) -> Mapping[str, str]:
    return {name: str(out / name) for name in wire.SPLITS}


def _sizes(out: pathlib.Path) -> dict[str, float]:
    """Bytes of the records, and of the pictures in them."""
    packed, plain = sorted(out.glob("*/*.gz")), sorted(out.glob("*.tfrecord"))
    files, pictures = packed or plain, 0
    names = [str(path) for path in files]
    for record in tf.data.TFRecordDataset(names, "GZIP" if packed else ""):
        example = tf.train.Example.FromString(record.numpy())
        encoded = example.features.feature[features.IMAGE_ENCODED]
        pictures += len(encoded.bytes_list.value[0])
    return {
        "bytes": sum(path.stat().st_size for path in files),
        "picture_bytes": pictures,
    }


def _peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main()
