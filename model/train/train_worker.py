"""One of several workers: `python -m model.train.train_worker --folder DIR ...`.

It waits for TFX's Trainer, worker 0, to say what is trained, and trains along.
"""

import argparse
import logging
import os
import sys
import types
from collections.abc import Sequence
from typing import Any

from foundation import artifact_paths, background, errors
from model import run_fn
from model.train import cluster

_STOPPED = 143  # by SIGTERM, as a shell says it


def main(argv: Sequence[str] | None = None) -> int:
    """Trains once, and returns when the chief is done."""
    options = _parser().parse_args(argv)
    logging.basicConfig(level=logging.INFO)
    cluster.configure(options.hosts, options.index)
    logging.info("Worker %d waits for a call in %s", options.index, options.folder)
    try:
        call: Any = types.SimpleNamespace(**cluster.wait_for_call(options.folder))
        run_fn.run_fn(call)
    except (errors.UserError, errors.PipelineError) as error:
        print(f"error: {error}", file=sys.stderr)
        if isinstance(error, errors.Interrupted):
            return _STOPPED
        return 2 if isinstance(error, errors.UserError) else 1
    cluster.wait_for_end(options.folder)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="model.train.train_worker", description=__doc__
    )
    parser.add_argument("--folder", required=True, type=artifact_paths.of)
    parser.add_argument("--hosts", required=True, nargs="+", metavar="HOST:PORT")
    # Kubernetes counts the pods of an indexed job from 0, and the chief is none.
    job_index = int(os.environ.get("JOB_COMPLETION_INDEX", "0"))
    parser.add_argument("--index", type=int, default=job_index + 1)
    return parser


if __name__ == "__main__":
    exit_code = main()
    if background.is_left():
        os._exit(exit_code)
    sys.exit(exit_code)
