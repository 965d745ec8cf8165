"""Ours beside Hugging Face's Mask2Former and the machine's limit, in one run.

    python -m benchmarks.model --peer-python .venv-parity/bin/python [--onednn 0 1]

All sides run in fresh processes that take turns, repetition by repetition, so that a
busy moment of the machine strikes all. `--onednn` says whether ours is to compute with
oneDNN; with both values it is measured twice, and without the option TensorFlow
decides by the processor. Writes benchmarks/RESULTS.md.
"""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys

from benchmarks import machine, turns

ROOT = pathlib.Path(__file__).parent.parent
RESULTS = ROOT / "benchmarks" / "RESULTS.md"
CASES = (
    ("forward", 480, 480, 1),
    ("step", 480, 480, 2),
    ("forward", 800, 800, 1),
    ("step", 800, 800, 2),
)
REPEATS = {"forward": 15, "step": 5}  # of a round
ENVIRONMENT = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
ONEDNN = "TF_ENABLE_ONEDNN_OPTS"


def main() -> None:
    """Measures every case and writes the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--peer-python", required=True)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--cases", type=int, default=len(CASES))
    parser.add_argument("--onednn", nargs="+", choices=("0", "1"), default=[None])
    args = parser.parse_args()
    limit = _measure(sys.executable, "measure_ours", "sgemm")["gflops"]
    rows = []
    for workload, height, width, batch in CASES[: args.cases]:
        size = ["--height", height, "--width", width, "--batch", batch]
        size += ["--repeats", REPEATS[workload]]
        work = [workload, *size, "--in-turns"]
        commands = [
            [*_with_onednn(mode), *_command(sys.executable, "measure_ours", *work)]
            for mode in args.onednn
        ]
        commands.append(_command(args.peer_python, "measure_peer", *work))
        rounds = [
            turns.alternate(commands, cwd=ROOT, env=ENVIRONMENT)
            for _ in range(args.rounds)
        ]
        flop = _measure(args.peer_python, "measure_peer", "flops", *size)["gflop"]
        seconds = flop / limit if workload == "forward" else 3 * flop / limit
        for side in range(len(args.onednn)):
            pairs = [(measured[side], measured[-1]) for measured in rounds]
            rows.append(_row(workload, height, width, batch, pairs, seconds))
            print(rows[-1], flush=True)
    RESULTS.write_text(_page(limit, rows), encoding="utf-8")


def _measure(*arguments: object) -> dict[str, float]:
    done = subprocess.run(
        _command(*arguments),
        cwd=ROOT,
        env=ENVIRONMENT,
        check=True,
        stdout=subprocess.PIPE,
    )
    return json.loads(done.stdout.splitlines()[-1])


def _with_onednn(mode: str | None) -> list[str]:
    """What a command begins with so that TensorFlow does as `mode` says."""
    return [] if mode is None else ["env", f"{ONEDNN}={mode}"]


def _command(python: str, module: str, *arguments: object) -> list[str]:
    return [python, "-m", f"benchmarks.{module}", *map(str, arguments)]


def _row(
    workload: str,
    height: int,
    width: int,
    batch: int,
    rounds: list,
    limit_seconds: float,
) -> str:
    """One line of the table: medians over the rounds."""

    def middle(side: int, key: str) -> float:
        return statistics.median(measured[side][key] for measured in rounds)

    ours, peer = middle(0, "median"), middle(1, "median")
    ours_peak, peer_peak = middle(0, "peak_mib"), middle(1, "peak_mib")
    onednn = "on" if rounds[0][0]["onednn"] else "off"
    return (
        f"| {workload} | {height}x{width} | {batch} | {onednn} | "
        f"{ours:.2f} s | {peer:.2f} s | "
        f"**{ours / peer:.2f}** | {limit_seconds / peer:.2f} | "
        f"{ours_peak / 1024:.1f} / {peer_peak / 1024:.1f} GiB | "
        f"**{ours_peak / peer_peak:.2f}** | {middle(0, 'tracing'):.0f} s |"
    )


def _page(limit: float, rows: list[str]) -> str:
    return "\n".join(
        [
            "# Measured results",
            "",
            "Mask2Former, ResNet-50, published sizes, float32, random weights, 8 masks",
            "an image. Written by `make benchmark`; all sides take turns, repetition",
            "by repetition. Times are medians, and only their ratios mean something",
            "elsewhere. Whether TensorFlow computes with oneDNN is its choice by the",
            "processor, or that of `--onednn`; the peer always computes as it does.",
            "",
            f"Machine: {machine.describe()}; a",
            f"large float32 matrix product reaches {limit:.0f} GFLOP/s. The limit is",
            "the model's arithmetic at that rate (a training step counted as three",
            "forward passes), as a share of the peer's time.",
            "",
            "| work | image | batch | oneDNN | ours | Hugging Face | ratio | limit "
            "| peak memory | ratio | tracing |",
            "|---|---|---|---|---|---|---|---|---|---|---|",
            *rows,
            "",
            "A forward pass is asked for the final masks; the peer works out those of",
            "every block at full size on the way. Peak memory is that of the whole",
            "process, libraries included.",
            "",
        ]
    )


if __name__ == "__main__":
    main()
