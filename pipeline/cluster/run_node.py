"""One container on Kubeflow: `python -m pipeline.cluster.run_node prepare|node`.

Exit code 0: done, skipped or done before. 1: failed. 2: the user's mistake. 143: told
to stop. KFP may start any of them again with the same run id.
"""

import argparse
import os
import pathlib
import signal
import sys
from collections.abc import Sequence

from foundation import artifact_paths, console, errors
from pipeline import clean_ups
from pipeline.cluster import node_log, pod_locations, supervisor
from pipeline.metadata import metadata_url
from pipeline.nodes import attempts, executions, ir

_PREPARE_OPTIONS = ("config-json", "overrides", "data", "root", "serving")
_PREPARE_OPTIONS += ("run-id", "run-name", "graph-digest")
_NOWHERE = pathlib.Path(os.devnull)  # what TensorFlow says when it is imported


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one action and returns its exit code."""
    options = _parser().parse_args(argv)
    actions = {"prepare": _prepare, "node": _supervise, "work": _work}
    try:
        return actions[options.action](options)
    except (errors.UserError, errors.PipelineError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2 if isinstance(error, errors.UserError) else 1
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        print(f"error: {where}{error.strerror or error}", file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="pipeline.cluster.run_node", description=__doc__
    )
    actions = parser.add_subparsers(dest="action", required=True)
    prepare = actions.add_parser("prepare", help="check, and write the graph down")
    for name in _PREPARE_OPTIONS:
        prepare.add_argument(f"--{name}", required=True)
    prepare.add_argument("--reference-out", required=True, type=pathlib.Path)
    for action, text in (("node", "run one node"), ("work", "used by `node`")):
        node = actions.add_parser(action, help=text)
        for name in ("node-id", "run-id", "reference"):
            node.add_argument(f"--{name}", required=True)
        node.add_argument("--ui-metadata", type=pathlib.Path, help="HTML report")
        node.add_argument("--summary-out", type=pathlib.Path, help="Markdown summary")
        if action == "work":
            node.add_argument("--log", required=True, type=pathlib.Path)
            node.add_argument("--log-place", required=True, type=artifact_paths.of)
    return parser


def _prepare(options: argparse.Namespace) -> int:
    address, _ = metadata_url.from_environment()
    with console.quiet(_NOWHERE):
        here = pod_locations.require(options.data, options.root, options.serving)
    print(f"prepare: metadata {address.url}", flush=True)
    with (
        node_log.opened(here.artifact_root, options.run_id, "prepare") as log,
        console.quiet(log.file),
    ):
        console.prepare_libraries(log.file)
        from pipeline.cluster import run_preparation

        request = run_preparation.Request(
            config_json=options.config_json,
            overrides=options.overrides,
            where=here,
            run_id=options.run_id,
            run_name=options.run_name,
            graph_digest=options.graph_digest,
        )
        reference = run_preparation.prepare(request)
    options.reference_out.parent.mkdir(parents=True, exist_ok=True)
    options.reference_out.write_text(reference)
    print(f"prepare: graph {reference}")
    return 0


def _supervise(options: argparse.Namespace) -> int:
    """Starts the node's process once all it needs is known to be there."""
    with console.quiet(_NOWHERE):
        compiled = ir.read(options.reference)
    ir.find_node(compiled, options.node_id)
    address, password = metadata_url.from_environment()
    root = ir.root_of(options.reference)
    with node_log.opened(root, options.run_id, options.node_id) as log:
        with console.quiet(log.file):
            metadata_url.connect(address, password)
        print(f"{options.node_id}: log {log.place}", flush=True)
        node_run = executions.NodeRun.of(compiled, options.node_id, options.run_id)
        return _attempt(options, node_run, log)


def _attempt(
    options: argparse.Namespace, node_run: executions.NodeRun, log: node_log.NodeLog
) -> int:
    """Runs the node's process, and rolls back if it was cut off."""
    attempt = attempts.Attempt(node_run.lease)
    waiting = f"{options.node_id}: waiting until another attempt has stopped"
    attempt.start(lambda: print(waiting, flush=True))
    with supervisor.Supervisor() as watching:
        ending = watching.run(_work_command(options, log), attempt)
        if not attempt.settled():  # what is there now is the other attempt's
            print(
                f"error: {options.node_id}: another attempt has taken over, or the "
                "place of the artifacts could not be reached for a minute; this one "
                "has stopped.",
                file=sys.stderr,
            )
            return 1
        if ending.was_cut_off:
            _roll_back(ending, node_run, log)
    attempt.end()
    if ending.stopped_by:
        return 128 + ending.stopped_by
    return 1 if ending.was_cut_off else ending.code


def _roll_back(
    ending: supervisor.Ending, node_run: executions.NodeRun, log: node_log.NodeLog
) -> None:
    """Clears up after a process that could not do so itself."""
    print(f"error: {node_run.node_id}: {_cut_off(ending, log.file)}", file=sys.stderr)
    with console.quiet(log.file):
        address, password = metadata_url.from_environment()
        store = metadata_url.connect(address, password)
        rolled_back = executions.roll_back(store, node_run, clean_ups.BY_NODE)
    for execution_id in rolled_back:
        print(
            f"execution {execution_id} is recorded as failed and what it had written "
            "is removed",
            file=sys.stderr,
        )


def _work_command(options: argparse.Namespace, log: node_log.NodeLog) -> list[str]:
    command = [sys.executable, "-m", "pipeline.cluster.run_node", "work"]
    command += ["--log", str(log.file), "--log-place", str(log.place)]
    for name in ("node-id", "run-id", "reference", "ui-metadata", "summary-out"):
        value = getattr(options, name.replace("-", "_"))
        if value is not None:
            command += [f"--{name}", str(value)]
    return command


def _cut_off(ending: supervisor.Ending, log: pathlib.Path) -> str:
    if ending.stopped_by:
        return f"told to stop by {ending.stopped_by.name}"
    from pipeline.cluster import node_process

    name = signal.Signals(-ending.code).name
    advice = ""
    if -ending.code == signal.SIGKILL:
        advice = (
            " The kernel does that when memory runs out: raise kubeflow.nodes.<node>."
            "memory_limit."
        )
    return f"killed by {name}.{advice} The end of the log:\n{node_process.tail(log)}"


def _work(options: argparse.Namespace) -> int:
    from pipeline.cluster import node_process

    supervisor.die_with_parent()
    return node_process.work(
        node_id=options.node_id,
        run_id=options.run_id,
        reference=options.reference,
        log=node_log.NodeLog(options.log, options.log_place),
        summary_out=options.summary_out,
        report_out=options.ui_metadata,
    )


if __name__ == "__main__":
    exit_code = main()
    sys.stdout.flush()
    sys.stderr.flush()
    # Libraries crash now and then while they are unloaded, after the work is done.
    os._exit(exit_code)
