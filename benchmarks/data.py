"""Ingestion beside a plain converter, and as the data grows.

    python -m benchmarks.data --data DIR [--sizes 1000 10000 100000]

Each figure comes from a fresh process that uses one core. Writes benchmarks/DATA.md.
"""

import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile

from benchmarks import data_synthetic, machine

ROOT = pathlib.Path(__file__).parent.parent
RESULTS = ROOT / "benchmarks" / "DATA.md"
# COCO train2017: so many images and annotations are 448 MB.
TRAIN2017 = (118_287, 860_001)
TRAIN2017_CORNERS = 24
ENVIRONMENT = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
Measured = dict[str, float]


def main() -> None:
    """Measures, and writes the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=pathlib.Path, required=True)
    parser.add_argument(
        "--sizes", type=int, nargs="+", default=[1_000, 10_000, 100_000]
    )
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        parts = [
            *_beside(args.data.resolve(), folder, args.rounds),
            *_growing(args.sizes, folder),
            *_reading(folder),
            *_training_input(),
        ]
    RESULTS.write_text(_page(parts), encoding="utf-8")


def _beside(data: pathlib.Path, folder: pathlib.Path, rounds: int) -> list[str]:
    """Both converters in turn; of each the round that was disturbed the least."""
    taken = [
        (
            _measure("ours", data, folder / f"ours-{index}"),
            _measure("plain", data, folder / f"plain-{index}"),
        )
        for index in range(rounds)
    ]
    ours = min((each[0] for each in taken), key=lambda each: each["processor_seconds"])
    plain = min((each[1] for each in taken), key=lambda each: each["processor_seconds"])
    images = int(ours["images"])
    records = ours["processor_seconds"] - ours["report"]
    plain_ms = 1e3 * plain["processor_seconds"] / images
    without = [side["bytes"] - side["picture_bytes"] for side in (ours, plain)]

    def row(name: str, seconds: float) -> str:
        mebibytes = ours["picture_bytes"] / 2**20 / seconds
        return _said(
            f"| {name} | {1e3 * seconds / images:.2f} ms | {images / seconds:.0f} | "
            f"{mebibytes:.0f} | **{plain_ms * images / 1e3 / seconds:.2f}** |"
        )

    return [
        "## Beside a plain converter",
        "",
        f"`{data.name}`, {images} images. The plain converter (`data_plain.py`) draws",
        "each mask with pycocotools, stores it as a PNG, and looks at nothing else.",
        "Ingestion makes sure that every picture can be decoded, compares boxes and",
        "areas with the masks, and writes a report whose cost does not grow with the",
        "data. Both hash the pictures.",
        f"Processor time, one core, the fastest of {rounds} rounds of each.",
        "",
        "| | an image | images/s | MiB/s of pictures | times the plain rate |",
        "|---|---|---|---|---|",
        row("plain converter", plain["processor_seconds"]),
        row("ingestion: records", records),
        row("ingestion: records and report", ours["processor_seconds"]),
        "",
        _said(
            f"Records: **{ours['bytes'] / plain['bytes']:.2f}** of the plain ones' "
            f"{plain['bytes'] / 2**20:.1f} MiB, of which"
        ),
        f"{ours['picture_bytes'] / plain['bytes']:.2f} are the pictures, the same in "
        "both. What is stored beside the",
        _said(f"pictures: **{without[0] / without[1]:.2f}** of the plain bytes."),
        "",
    ]


def _growing(sizes: list[int], folder: pathlib.Path) -> list[str]:
    """Ingestion alone, at several sizes."""
    lines = [
        "## As the data grows",
        "",
        f"Synthetic pictures of {data_synthetic.WIDTH} x {data_synthetic.HEIGHT} px "
        f"with {data_synthetic.OBJECTS_AN_IMAGE} polygons of 24 corners each.",
        "Memory is that of the process beyond its libraries: at its peak, and what",
        "ingesting the images added to what reading the annotations took.",
        "",
        "| images | read annotations | records, an image | against the first "
        "| report | all, wall | peak memory | added by images |",
        "|---|---|---|---|---|---|---|---|",
    ]
    first = 0.0
    for size in sizes:
        data = folder / f"synthetic-{size}"
        data_synthetic.write(data, size)
        found = _measure("ours", data, folder / f"ingested-{size}")
        images = found["images"]
        an_image = 1e3 * (found["reading"] + found["images_alone"]) / images
        first = first or an_image
        lines.append(
            _said(
                f"| {size:,} | {found['reading']:.2f} s | {an_image:.2f} ms | "
                f"**{an_image / first:.2f}** | {found['report']:.1f} s | "
                f"{found['seconds']:.0f} s | "
                f"{found['peak_mib'] - found['base_mib']:.0f} MiB | "
                f"{found['images_peak_mib'] - found['read_peak_mib']:.0f} MiB |"
            )
        )
    return [*lines, ""]


def _reading(folder: pathlib.Path) -> list[str]:
    data = folder / "train2017"
    data_synthetic.write(data, 1)
    path = data / "annotations/instances_train2017.json"
    data_synthetic.write_annotations(path, *TRAIN2017, TRAIN2017_CORNERS)
    found = _measure("read", data, folder / "read")
    beyond = found["peak_mib"] - found["base_mib"]
    return [
        "## Annotations of COCO's size",
        "",
        f"A file of {TRAIN2017[1]:,} annotations of {TRAIN2017[0]:,} images, "
        f"{path.stat().st_size / 1e6:.0f} MB, is read, checked",
        _said(
            f"and cut into {found['shards']:.0f} plans in "
            f"{found['processor_seconds']:.0f} s of processor time with at most "
            f"{beyond:.0f} MiB beyond"
        ),
        f"the libraries, which take {found['base_mib']:.0f} MiB.",
        "",
    ]


def _training_input() -> list[str]:
    command = [sys.executable, "-m", "benchmarks.input_pipeline", "photos"]
    found = _json_of(command)
    return [
        "## Training input",
        "",
        "`python -m benchmarks.input_pipeline photos`, 1024 x 1024 px with large-scale",
        _said(
            f"jitter: {found['images_per_second']:.0f} images/s on all cores, "
            f"{found['processor_ms_per_image']:.1f} ms of processor time an image."
        ),
        "",
    ]


def _measure(workload: str, data: pathlib.Path, out: pathlib.Path) -> Measured:
    module = [sys.executable, "-m", "benchmarks.measure_data"]
    return _json_of([*module, workload, str(data), str(out)])


def _json_of(command: list[str]) -> Measured:
    done = subprocess.run(
        command, cwd=ROOT, env=ENVIRONMENT, check=True, stdout=subprocess.PIPE
    )
    return json.loads(done.stdout.splitlines()[-1])


def _said(line: str) -> str:
    print(line, flush=True)
    return line


def _page(parts: list[str]) -> str:
    return "\n".join(
        [
            "# Measured: ingestion and training input",
            "",
            "Written by `make benchmark-data DATA=DIR`. Only ratios mean something",
            f"elsewhere. Machine: {machine.describe()}.",
            "",
            *parts,
        ]
    )


if __name__ == "__main__":
    main()
