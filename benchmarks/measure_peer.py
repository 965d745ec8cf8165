"""Times one workload of Hugging Face's Mask2Former and prints one JSON line.

Runs in the environment of requirements/parity.txt, from the project's root:

    python -m benchmarks.measure_peer {forward,step,flops} --height 480 --width 480
"""

import argparse
import json
import resource

import torch
from torch.utils import flop_counter

from benchmarks import turns
from tools import reference_model

MASKS_AN_IMAGE = 8


def main() -> None:
    """Runs the workload that the arguments name."""
    parser = argparse.ArgumentParser()
    parser.add_argument("workload", choices=("forward", "step", "flops"))
    parser.add_argument("--height", type=int, default=480)
    parser.add_argument("--width", type=int, default=480)
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--in-turns", action="store_true")
    args = parser.parse_args()
    base = _peak_mib()
    model = reference_model.build(reference_model.Sizes(), seed=0)
    workloads = {"forward": forward, "step": step, "flops": flops}
    measured = workloads[args.workload](model, args)
    print(json.dumps({**measured, "peak_mib": _peak_mib(), "base_mib": base}))


@torch.no_grad()
def forward(model: torch.nn.Module, args: argparse.Namespace) -> dict[str, float]:
    """The predictions of a batch, in inference mode: it knows no fewer than ten."""
    images = _images(args)
    return turns.timed(lambda: model(pixel_values=images), args.repeats, args.in_turns)


def step(model: torch.nn.Module, args: argparse.Namespace) -> dict[str, float]:
    """One optimizer update at the published loss settings, batch norm frozen."""
    images, (masks, classes) = _images(args), _targets(args)
    adamw = torch.optim.AdamW(model.parameters(), lr=1e-4, weight_decay=0.05)

    def update() -> None:
        adamw.zero_grad()
        outputs = model(pixel_values=images, mask_labels=masks, class_labels=classes)
        outputs.loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 0.01)
        adamw.step()

    return turns.timed(update, args.repeats, args.in_turns)


@torch.no_grad()
def flops(model: torch.nn.Module, args: argparse.Namespace) -> dict[str, float]:
    """GFLOP of a forward pass, a multiplication and an addition counted as two."""
    counter = flop_counter.FlopCounterMode(display=False)
    with counter:
        model(pixel_values=_images(args))
    return {"gflop": counter.get_total_flops() / 1e9}


def _images(args: argparse.Namespace) -> torch.Tensor:
    torch.manual_seed(0)
    return torch.randn([args.batch, 3, args.height, args.width])


def _targets(args: argparse.Namespace) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
    """Rectangles of the same kind as ours get."""
    masks = torch.zeros([MASKS_AN_IMAGE, args.height, args.width])
    for index in range(MASKS_AN_IMAGE):
        top, left = args.height * index // 12, args.width * index // 12
        masks[index, top : top + args.height // 3, left : left + args.width // 3] = 1
    classes = torch.arange(MASKS_AN_IMAGE)
    return [masks] * args.batch, [classes] * args.batch


def _peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main()
