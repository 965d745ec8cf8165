"""Looks for datasets that ingestion does not stand: `make fuzz MINUTES=10`.

    python tests/fuzz/fuzz.py [--minutes 10] [--seed 1] [--keep DIR]
    python tests/fuzz/fuzz.py --case 1:234 --keep DIR

A dataset is sound but for a few broken places. Ingestion must end in a report or in an
error with a sentence: a crash, 20 seconds of processor time, 2 GB of memory or a file
read outside of the data is a failure, and its number repeats it.
"""

import argparse
import collections
import contextlib
import json
import os
import pathlib
import selectors
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator

_CASES = pathlib.Path(__file__).with_name("cases.py")
_CASES_A_PROCESS = 400
# A process that waits for something uses no processor time. Twice in a row, or a
# machine that was asleep would look like that.
_SILENT_SECONDS = 150.0
_MOST_FAILURES = 20


def main() -> int:
    """Returns 1 when a case failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--seed", default="1")
    parser.add_argument("--case", help="SEED:NUMBER of one case to repeat")
    parser.add_argument("--keep", type=pathlib.Path, help="folder that keeps the case")
    args = parser.parse_args()
    seed, _, number = (args.case or f"{args.seed}:").rpartition(":")
    first = int(number) if args.case else 0
    outcomes: collections.Counter[str] = collections.Counter()
    end, peak = time.monotonic() + 60 * args.minutes, 0
    with _folder(args.keep) as folder:
        while not sum(outcomes.values()) or (
            not args.case
            and time.monotonic() < end
            and outcomes["failed"] < _MOST_FAILURES
        ):
            last = first + (1 if args.case else _CASES_A_PROCESS)
            for line in _run(seed, first, last, folder, end):
                first = int(line["case"].rpartition(":")[2]) + 1
                outcomes[line["outcome"]] += 1
                peak = max(peak, line.get("peak_mib", 0))
                if line["outcome"] == "failed" or args.case:
                    print(f"{line['case']} {line['outcome']}: {line['told']}\n")
    counted = ", ".join(f"{count} {name}" for name, count in sorted(outcomes.items()))
    print(f"{sum(outcomes.values())} cases: {counted}; at most {peak} MiB")
    return 1 if outcomes["failed"] else 0


def _run(
    seed: str, first: int, last: int, folder: pathlib.Path, end: float
) -> Iterator[dict]:
    """Yields a line for each case that was begun, of one process."""
    command = [sys.executable, str(_CASES), seed, str(first), str(last), str(folder)]
    with (folder / "stderr.txt").open("w+") as said:
        process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=said,
            env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
        )
        started = None
        for line in _lines(process):
            if "started" in line:
                started = line["started"]
                continue
            started = None
            yield line
            if time.monotonic() > end:
                process.kill()
                break
        code = process.wait()
        said.seek(0)
        end_of_it = said.read()[-6000:]
    if started is not None:
        told = f"the process ended with {code}:\n{end_of_it}"
        yield {"case": started, "outcome": "failed", "told": told}
    elif code > 0:
        raise SystemExit(f"error: {' '.join(command)} ended with {code}:\n{end_of_it}")


def _lines(process: subprocess.Popen) -> Iterator[dict]:
    """Yields what a process prints until it ends, or until it is silent for long."""
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        while selector.select(_SILENT_SECONDS) or selector.select(_SILENT_SECONDS):
            line = process.stdout.readline()
            if not line:
                return
            yield json.loads(line)
    process.kill()


@contextlib.contextmanager
def _folder(kept: pathlib.Path | None) -> Iterator[pathlib.Path]:
    if kept is None:
        with tempfile.TemporaryDirectory() as name:
            yield pathlib.Path(name)
        return
    kept.mkdir(parents=True, exist_ok=True)
    yield kept


if __name__ == "__main__":
    sys.exit(main())
