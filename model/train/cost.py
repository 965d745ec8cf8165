"""What a training took, over all its restarts: time, memory, waiting, matching."""

import contextlib
import dataclasses
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

_GIGABYTE = 1e9
_KEPT = (
    "attempts",
    "seconds",
    "device_seconds",
    "images",
    "judging_seconds",
    "waiting_seconds",
    "matching_seconds",
)


@dataclasses.dataclass(frozen=True)
class Peaks:
    """The most memory that was in use, bytes.

    Attributes:
        host: of this process.
        device: of the accelerator that needed most; None where there is none.
    """

    host: int
    device: int | None


class Meter:
    """Measures this attempt and adds it to those before; an `Extra` of the state.

    What an attempt did after its last checkpoint counts only if it ends here: a process
    that is killed takes that along, and its steps are made again.

    The matcher is timed on the host, in the very call that solves its problems, so the
    time is its own and waits for nothing on a device. Replicas that match at the same
    time count with their mean.

    Args:
        replicas: devices that train, on all machines.
        replicas_here: those of this process.
        peaks: gives the peaks since this process began to train.
        clock: seconds, never going back.
    """

    variables: Mapping[str, Any] = {}

    def __init__(
        self,
        replicas: int,
        replicas_here: int,
        peaks: Callable[[], Peaks],
        clock: Callable[[], float] = time.monotonic,
    ):
        self._replicas = replicas
        self._replicas_here = replicas_here
        self._peaks = peaks
        self._clock = clock
        self._begun = clock()
        self._lock = threading.Lock()
        self._own = dict.fromkeys(_KEPT, 0.0) | {"attempts": 1}
        self._before: dict[str, Any] = {}

    def count(self, images: int) -> None:
        """Takes note of images that a finished step has seen."""
        self._own["images"] += images

    @contextlib.contextmanager
    def waiting(self) -> Iterator[None]:
        """While the block runs nothing is computed, for lack of data."""
        with self._measured("waiting_seconds"):
            yield

    @contextlib.contextmanager
    def judging(self) -> Iterator[None]:
        """While the block runs the network is scored and not trained."""
        with self._measured("judging_seconds"):
            yield

    def matching(self, solve: Callable[..., Any]) -> Callable[..., Any]:
        """The same function, measured."""

        def measured(*arguments: Any) -> Any:
            with self._measured("matching_seconds", 1.0 / self._replicas_here):
                return solve(*arguments)

        return measured

    def facts(self) -> dict[str, Any]:
        """See `state.Extra`; sums over attempts, and the highest peaks."""
        passed = self._clock() - self._begun
        with self._lock:
            own = dict(self._own)
        own |= {"seconds": passed, "device_seconds": passed * self._replicas}
        found = {key: own[key] + self._before.get(key, 0) for key in _KEPT}
        peaks = self._peaks()
        pairs = {"peak_memory_bytes": peaks.host, "peak_device_bytes": peaks.device}
        for key, value in pairs.items():
            values = (value, self._before.get(key))
            found[key] = max((v for v in values if v is not None), default=None)
        return found

    def take(self, facts: Mapping[str, Any]) -> None:
        """See `state.Extra`."""
        self._before = dict(facts)

    @contextlib.contextmanager
    def _measured(self, key: str, share: float = 1.0) -> Iterator[None]:
        begun = self._clock()
        try:
            yield
        finally:
            passed = self._clock() - begun
            with self._lock:
                self._own[key] += passed * share


def summary(facts: Mapping[str, Any]) -> dict[str, float | int | None]:
    """What a model says of the cost of its training, as JSON takes it.

    Images a second and shares are of the time that was not spent judging.

    Args:
        facts: of a `Meter`.
    """
    training = max(facts["seconds"] - facts["judging_seconds"], 1e-9)
    return {
        "attempts": int(facts["attempts"]),
        "seconds": round(facts["seconds"], 1),
        "device_seconds": round(facts["device_seconds"], 1),
        "judging_seconds": round(facts["judging_seconds"], 1),
        "images": int(facts["images"]),
        "images_per_second": round(facts["images"] / training, 3),
        "waiting_share": round(facts["waiting_seconds"] / training, 4),
        "matching_share": round(facts["matching_seconds"] / training, 4),
        "peak_memory_bytes": facts["peak_memory_bytes"],
        "peak_device_bytes": facts["peak_device_bytes"],
    }


def told(cost: Mapping[str, Any]) -> str:
    """A summary for people: `2 h 05 min, 7.5e+03 device seconds, ...`.

    Args:
        cost: what `summary` returned, as a model carries it.
    """
    device = cost["peak_device_bytes"]
    on_device = f", {_gigabytes(device)} on a device" if device is not None else ""
    attempts = cost["attempts"]
    parts = [
        f"{cost['seconds']:.0f} s"
        + (f" in {attempts} attempts" if attempts > 1 else ""),
        f"{cost['device_seconds']:.0f} device seconds",
        f"{cost['images_per_second']:.3g} images/s",
        f"{cost['waiting_share']:.1%} waiting for data",
        f"{cost['matching_share']:.1%} matching",
        f"at most {_gigabytes(cost['peak_memory_bytes'])} of memory{on_device}",
    ]
    return ", ".join(parts)


def _gigabytes(number: int) -> str:
    return f"{number / _GIGABYTE:.2f} GB"
