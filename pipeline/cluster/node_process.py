"""The process of one node: quiet, with a few lines for whoever reads the pod's log."""

import logging
import pathlib
import sys
from typing import TYPE_CHECKING

import rich.console

from components import wire
from foundation import console, errors, progress
from pipeline.cluster import node_log
from pipeline.metadata import metadata_url
from pipeline.nodes import ir

if TYPE_CHECKING:
    from pipeline.metadata import store

_TAIL_LINES = 40


def work(
    node_id: str,
    run_id: str,
    reference: str,
    log: node_log.NodeLog,
    summary_out: pathlib.Path | None,
    report_out: pathlib.Path | None,
) -> int:
    """Runs a node.

    Args:
        reference: of the compiled graph, see `ir.write`.
        log: what everything is written to but a few lines.
        summary_out: Markdown for KFP's page goes there.
        report_out: the evaluator's HTML report goes there.

    Returns:
        Exit code: 0 done or nothing to do, 1 failed, 2 the user's mistake.
    """
    try:
        with console.quiet(log.file) as terminal:
            console.prepare_libraries(log.file)
            say = _Say(terminal, node_id)
            progress.set_reporter(progress.LineReporter(say))
            _run(node_id, run_id, reference, say, summary_out, report_out)
    except (errors.UserError, errors.PipelineError) as error:
        print(f"error: {node_id}: {error}", file=sys.stderr)
        return 2 if isinstance(error, errors.UserError) else 1
    except Exception as error:
        reason = " ".join(str(error).split())[:400]
        print(tail(log.file), file=sys.stderr)
        print(
            f"error: {node_id} failed: {type(error).__name__}: {reason}\n"
            f"Above is the end of the log: {log.place}",
            file=sys.stderr,
        )
        return 1
    return 0


def tail(log: pathlib.Path) -> str:
    """The last lines of a log, without the metadata store's password."""
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    text = "\n".join(lines[-_TAIL_LINES:])
    password = metadata_url.password_from_environment()
    return text.replace(password, "***") if password else text


class _Say:
    """Prints a line for the pod's log."""

    def __init__(self, terminal: rich.console.Console, node_id: str):
        self._terminal = terminal
        self._node_id = node_id

    def __call__(self, line: str) -> None:
        self._terminal.print(f"{self._node_id}: {line}", soft_wrap=True, markup=False)


def _run(
    node_id: str,
    run_id: str,
    reference: str,
    say: _Say,
    summary_out: pathlib.Path | None,
    report_out: pathlib.Path | None,
) -> None:
    from tfx.dsl.compiler import constants
    from tfx.orchestration.portable import runtime_parameter_utils

    from pipeline import clean_ups
    from pipeline.cluster import kfp_outputs
    from pipeline.metadata import store
    from pipeline.nodes import node_launch

    compiled = ir.read(reference)
    runtime_parameter_utils.substitute_runtime_parameter(
        compiled, {constants.PIPELINE_RUN_ID_PARAMETER_NAME: run_id}
    )
    address, password = metadata_url.from_environment()
    connection = metadata_url.connection_config(address, password)
    try:
        result = node_launch.launch(
            compiled, node_id, run_id, connection, clean_ups.BY_NODE
        )
    except (errors.UserError, errors.PipelineError):
        raise
    except Exception:
        logging.exception("%s failed", node_id)
        raise
    say(f"{result.state} in {progress.duration(result.seconds)}")
    records = store.Store(metadata_url.connect(address, password)).run(run_id)
    execution = records.get(node_id)
    if execution is not None:
        _tell(execution, say)
    if summary_out is not None:
        kfp_outputs.write_summary(summary_out, result, execution)
    if report_out is not None:
        kfp_outputs.write_report(report_out, execution)


def _tell(execution: "store.Execution", say: _Say) -> None:
    """Says what a node left, and puts back a pushed version that is gone."""
    from pipeline.cluster import kfp_outputs
    from pipeline.local import serving_folder

    for pushed in execution.outputs.get(wire.PUSHED_MODEL, []):
        is_pushed = pushed.properties.get(wire.PUSHED) == 1
        if is_pushed and serving_folder.restore(pushed):
            say("the pushed version was gone and is back in its place")
    for line in kfp_outputs.lines(execution):
        say(line)
