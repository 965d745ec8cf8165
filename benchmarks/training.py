"""What the training loop costs beside its compiled step, at the demo's size.

    python -m benchmarks.training [--rounds 3] [--repeats 5] [--steps 40]

All sides run in processes of their own that take turns, repetition by repetition, so
that a busy moment of the machine strikes all. Writes benchmarks/TRAINING.md.
"""

import argparse
import dataclasses
import os
import pathlib
import statistics
import sys
from collections.abc import Sequence

from benchmarks import machine, turns

ROOT = pathlib.Path(__file__).parent.parent
RESULTS = ROOT / "benchmarks" / "TRAINING.md"
ENVIRONMENT = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
WORKLOADS = ("plain", "loop", "ema", "data")
Measured = dict[str, float]


@dataclasses.dataclass(frozen=True)
class Cost:
    """One figure and what it should stay under; both are shares, 0.1 is 10 %."""

    name: str
    share: float
    goal: float

    def row(self) -> str:
        """Its line of the table."""
        held = "yes" if self.share <= self.goal else "no"
        return f"| {self.name} | **{self.share:.1%}** | {self.goal:.0%} | {held} |"


def main() -> None:
    """Measures and writes the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--out", type=pathlib.Path, default=RESULTS)
    args = parser.parse_args()
    sizes = ["--repeats", str(args.repeats), "--steps", str(args.steps), "--in-turns"]
    module = [sys.executable, "-m", "benchmarks.measure_training"]
    commands = [[*module, workload, *sizes] for workload in WORKLOADS]
    rounds = []
    for _ in range(args.rounds):
        measured = turns.alternate(commands, cwd=ROOT, env=ENVIRONMENT)
        rounds.append(dict(zip(WORKLOADS, measured, strict=True)))
        print(rounds[-1], flush=True)
    args.out.write_text(page(rounds, args.steps, machine.describe()), encoding="utf-8")


def costs(rounds: Sequence[dict[str, Measured]]) -> list[Cost]:
    """The figures: of each the median over the rounds.

    Args:
        rounds: by workload, `median` seconds; `data` has `waiting`, a share.
    """

    def beside(side: str, other: str) -> float:
        ratios = [each[side]["median"] / each[other]["median"] for each in rounds]
        return statistics.median(ratios) - 1.0

    waiting = statistics.median(each["data"]["waiting"] for each in rounds)
    return [
        Cost("the loop, beside the compiled step alone", beside("loop", "plain"), 0.10),
        Cost("waiting for data, of the time of the loop", waiting, 0.05),
        Cost("`train.ema_decay`, beside the loop without", beside("ema", "loop"), 0.02),
    ]


def page(rounds: Sequence[dict[str, Measured]], steps: int, described: str) -> str:
    """The page that is written.

    Args:
        steps: of a repetition.
        described: the machine.
    """
    plain = statistics.median(each["plain"]["median"] for each in rounds) / steps
    return "\n".join(
        [
            "# Measured: the training loop",
            "",
            "Written by `make benchmark-training`. The demo's network, batch and",
            f"images of 128 px; {len(rounds)} rounds, medians. All sides take turns,",
            f"repetition by repetition of {steps} steps, and only shares mean",
            "something elsewhere.",
            "",
            f"Machine: {described}. The compiled step alone takes {plain:.3f} s.",
            "",
            "| cost | share | goal, at most | held |",
            "|---|---|---|---|",
            *(cost.row() for cost in costs(rounds)),
            "",
        ]
    )


if __name__ == "__main__":
    main()
