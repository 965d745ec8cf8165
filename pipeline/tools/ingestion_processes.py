"""Runs the shards of an ingestion in several processes, without Beam."""

import concurrent.futures
import multiprocessing
import os
from collections.abc import Sequence

from components.coco_example_gen import ingestion
from components.coco_example_gen.write import plans, shards
from foundation import errors

# A process takes seconds to load TensorFlow: below this, one is faster than several.
MIN_SHARDS_A_PROCESS = 4


def run(work: Sequence[plans.Shard]) -> None:
    """Writes the records of all shards; the bytes do not depend on how many help.

    Raises:
        PipelineError: a process was killed, as when memory runs out.
    """
    number = min(len(os.sched_getaffinity(0)), len(work) // MIN_SHARDS_A_PROCESS)
    if number < 2:
        ingestion.run_here(list(work))
        return
    # A fork of a process that has run TensorFlow hangs sooner or later.
    context = multiprocessing.get_context("spawn")
    pool = concurrent.futures.ProcessPoolExecutor(number, mp_context=context)
    try:
        tasks = [pool.submit(_write, shard) for shard in work]
        for task in concurrent.futures.as_completed(tasks):
            shards.advance(task.result())
    except concurrent.futures.BrokenExecutor:
        raise errors.PipelineError(
            "a process of the ingestion was killed, most likely because memory ran "
            "out. Give the machine more, or run on fewer cores (taskset)."
        ) from None
    finally:
        pool.shutdown(cancel_futures=True)


def _write(shard: plans.Shard) -> int:
    """Returns how many images the shard has."""
    shards.write_records(shard)
    return len(plans.read(shard.plan_path).images)
