"""What `small.yaml` makes of real photos, and what each part of its recipe is worth.

    python -m benchmarks.real_data --data nuts=FOLDER --data facade=FOLDER --out RUNS

Every run is `m2f run` with `small.yaml` and what its variant changes, in a process and
a workspace of its own below RUNS, where it leaves `<set>-<variant>-<seed>.json` (with
`--steps N`: `<set>-<variant>-<N>-<seed>.json`). A run that is there is not made again,
so an interrupted series goes on. Writes benchmarks/REAL_DATA.md from all that are
there.
"""

import argparse
import collections
import csv
import dataclasses
import json
import os
import pathlib
import shutil
import subprocess
import sys
from collections.abc import Sequence

import numpy as np

from benchmarks import machine

ROOT = pathlib.Path(__file__).parent.parent
PAGE = ROOT / "benchmarks" / "REAL_DATA.md"
SMALL = ROOT / "pipeline" / "configs" / "small.yaml"
GOAL = "nuts", 0.60, 30  # set, mask AP, minutes of training
# What is changed of small.yaml. Random weights have no statistics to freeze, and
# nothing that a low rate would preserve.
VARIANTS: dict[str, tuple[str, ...]] = {
    "small.yaml": (),
    "random weights": (
        "train.init_from=null",
        "model.backbone.norm=group",
        "model.backbone.trained_stages=5",
        "train.backbone_lr_multiplier=1.0",
    ),
    "backbone trained": ("model.backbone.trained_stages=5",),
    "without averages": ("train.ema_decay=0",),
    "without copy-paste": ("train.augment.copy_paste=0",),
    "without turns": ("train.augment.quarter_turns=false",),
    "without jitter": (
        "train.augment.colour_jitter.brightness=0",
        "train.augment.colour_jitter.contrast=0",
        "train.augment.colour_jitter.saturation=0",
    ),
    "the paper's loss weights": (
        "train.loss.class_weight=2.0",
        "train.loss.no_object_weight=0.1",
    ),
    "class_balance 0.5": ("train.loss.class_balance=0.5",),
    "backbone trained, layer_decay 0.7": (
        "model.backbone.trained_stages=5",
        "train.layer_decay=0.7",
    ),
    "schedule step": ("train.schedule=step",),
    "schedule constant": ("train.schedule=constant",),
}


@dataclasses.dataclass(frozen=True)
class Run:
    """What came of one.

    Attributes:
        name, variant, seed: which it was.
        mask_ap, mask_ap50: of the exported model, by CocoEvaluator.
        last_mask_ap: of the last step.
        step, steps: that is exported, and how many there were.
        minutes: of training, judgements included.
        images: of the eval split.
        machine: it ran on.
        load: of that machine in the last 15 minutes of the run; about its number of
            cores where nothing else ran.
    """

    name: str
    variant: str
    seed: int
    mask_ap: float
    mask_ap50: float
    last_mask_ap: float
    step: int
    steps: int
    minutes: float
    images: int
    machine: str
    load: float


def main() -> None:
    """Makes the runs that are lacking and writes the page."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", action="append", default=[], metavar="NAME=FOLDER")
    parser.add_argument("--out", required=True, type=pathlib.Path, metavar="RUNS")
    parser.add_argument("--repeats", type=int, default=3, help="seeds of each variant")
    parser.add_argument("--variants", nargs="*", choices=VARIANTS, default=VARIANTS)
    parser.add_argument("--steps", type=int, help="shorter or longer than small.yaml")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    folders = dict(each.split("=", 1) for each in args.data)
    changes = [f"train.steps={args.steps}"] if args.steps else []
    for seed in range(args.repeats):
        for variant in args.variants:
            for name, folder in folders.items():
                words = [name, variant.replace(" ", "_"), str(seed)]
                words[2:2] = [str(args.steps)] if args.steps else []
                place = args.out / "-".join(words)
                if not (args.out / f"{place.name}.json").exists():
                    _make(name, folder, variant, seed, place, changes)
                    PAGE.write_text(page(stored(args.out)), encoding="utf-8")
    PAGE.write_text(page(stored(args.out)), encoding="utf-8")


def _make(
    name: str,
    folder: str,
    variant: str,
    seed: int,
    place: pathlib.Path,
    changes: Sequence[str],
) -> None:
    """One run, stored in `<place>.json`; its workspace goes when it is done."""
    settings = [*VARIANTS[variant], f"train.seed={seed}", "evaluate.min_mask_ap=0"]
    sets = [part for each in (*settings, *changes) for part in ("--set", each)]
    command = [sys.executable, "-m", "pipeline", "run", "--data", folder]
    command += ["--config", str(SMALL), "--workspace", str(place), *sets]
    log_file = place.with_name(f"{place.name}.log")
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    with log_file.open("wb") as log:
        done = subprocess.run(
            command, cwd=ROOT, env=environment, stdout=log, stderr=subprocess.STDOUT
        )
    if done.returncode not in (0, 1):  # 1: not blessed
        raise SystemExit(f"error: see {log_file}")
    run = _read(name, variant, seed, place)
    text = json.dumps(dataclasses.asdict(run), indent=1)
    place.with_name(f"{place.name}.json").write_text(text, encoding="utf-8")
    print(f"{name} {variant} seed {seed}: mask AP {run.mask_ap:.3f}", flush=True)
    shutil.rmtree(place)


def _read(name: str, variant: str, seed: int, workspace: pathlib.Path) -> Run:
    """What a finished run left in its workspace."""
    score = json.loads(_one(workspace, "CocoEvaluator/**/metrics.json").read_text())
    info = json.loads(_one(workspace, "Trainer/model/**/info.json").read_text())
    trained = json.loads(info["training"])
    with _one(workspace, "Trainer/**/validation.csv").open(encoding="utf-8") as file:
        last = list(csv.DictReader(file))[-1]
    return Run(
        name,
        variant,
        seed,
        score["candidate"]["mask_ap"],
        score["candidate"]["mask_ap50"],
        float(last["mask_ap"]),
        trained["exported_step"],
        trained["steps"],
        trained["seconds"] / 60,
        int(score["candidate"]["num_images"]),
        machine.describe(),
        os.getloadavg()[2],
    )


def _one(workspace: pathlib.Path, pattern: str) -> pathlib.Path:
    """The one file of that name; the outputs of a node are linked at one place only."""
    found = sorted(workspace.glob(f"artifacts/*/{pattern}"))
    if len(found) != 1:
        raise SystemExit(f"error: {len(found)} files are {pattern} in {workspace}")
    return found[0]


def stored(folder: pathlib.Path) -> list[Run]:
    """All runs that are done."""
    files = sorted(folder.glob("*.json"))
    return [Run(**json.loads(file.read_text(encoding="utf-8"))) for file in files]


def page(runs: Sequence[Run]) -> str:
    """The page of all runs."""
    machines = sorted({run.machine for run in runs})
    name, mask_ap, minutes = GOAL
    lines = [
        "# Real photos",
        "",
        "`m2f run` with `small.yaml`, and with one thing of it changed at a time, by",
        "`python -m benchmarks.real_data`. Mask AP is CocoEvaluator's, of the exported",
        "model: the best judged step, chosen on the same eval split that it is scored",
        "on, so it is a little too good; the last step's is beside it. Repeats differ",
        f"in `train.seed`. The goal: {name} {mask_ap:.2f} in {minutes} minutes.",
        "Minutes count where the load, the mean of the last 15 minutes, is about the",
        "number of cores: beside other work, or held up, a training waits.",
        "",
        f"Machine: {'; '.join(machines)}.",
        "",
        "| set | eval images | variant | repeats | mask AP | of each | AP50 | last "
        "step | best step | minutes | load |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    groups = collections.defaultdict(list)
    for run in runs:
        order = list(VARIANTS).index(run.variant)
        groups[run.name, -run.steps, order].append(run)
    lines += [_row(groups[key]) for key in sorted(groups)]
    return "\n".join([*lines, ""])


def _row(runs: Sequence[Run]) -> str:
    """A line of the table: repeats of one variant on one set."""
    runs = sorted(runs, key=lambda run: run.seed)
    scores = [run.mask_ap for run in runs]
    cells = [
        runs[0].name,
        str(runs[0].images),
        runs[0].variant,
        str(len(runs)),
        f"**{np.mean(scores):.3f}**",
        ", ".join(f"{each:.3f}" for each in scores),
        f"{np.mean([run.mask_ap50 for run in runs]):.3f}",
        f"{np.mean([run.last_mask_ap for run in runs]):.3f}",
        f"{np.mean([run.step for run in runs]):.0f} of {runs[0].steps}",
        ", ".join(f"{run.minutes:.0f}" for run in runs),
        ", ".join(f"{run.load:.1f}" for run in runs),
    ]
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    main()
