"""One container of a run on Kubeflow: `python -m pipeline.run_node prepare|node`.

Exit code 0: done, skipped or done before. 1: failed. 2: the user's mistake. 143: told
to stop. KFP may start any of them again with the same run id.
"""

import argparse
import datetime
import os
import pathlib
import re
import signal
import sys
from collections.abc import Sequence

from pipeline import (
    attempts,
    console,
    errors,
    executions,
    ir,
    metadata_url,
    places,
    supervisor,
)

_PREPARE_OPTIONS = ("config-json", "overrides", "data", "root", "serving")
_PREPARE_OPTIONS += ("run-id", "run-name", "graph-digest")


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
    parser = argparse.ArgumentParser(prog="pipeline.run_node", description=__doc__)
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
    return parser


def _prepare(options: argparse.Namespace) -> int:
    address, _ = metadata_url.from_environment()
    here = places.require(options.data, options.root, options.serving)
    print(f"prepare: metadata {address.url}", flush=True)
    log = _new_log(here.root, options.run_id, "prepare")
    with console.quiet(log):
        console.prepare_libraries(log)
        from pipeline import run_preparation

        request = run_preparation.Request(
            config_json=options.config_json,
            overrides=options.overrides,
            places=here,
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
    compiled = ir.read(options.reference)
    ir.find_node(compiled, options.node_id)
    address, password = metadata_url.from_environment()
    log = _new_log(ir.root_of(options.reference), options.run_id, options.node_id)
    with console.quiet(log):
        metadata_url.connect(address, password)
    print(f"{options.node_id}: log {log}", flush=True)
    node_run = executions.NodeRun.of(compiled, options.node_id, options.run_id)
    attempt = attempts.Attempt(node_run.marks)
    if node_run.marks.beats():
        print(
            f"{options.node_id}: waiting until another attempt has stopped", flush=True
        )
    attempt.start()
    ending = supervisor.Supervisor().run(_work_command(options, log), attempt.may_go_on)
    if not attempt.may_go_on():  # what is there now is the other attempt's
        print(
            f"error: {options.node_id}: another attempt has taken over, or the volume "
            "could not be reached for a minute; this one has stopped.",
            file=sys.stderr,
        )
        return 1
    if not ending.was_cut_off:
        attempt.end()
        return ending.code
    print(f"error: {options.node_id}: {_cut_off(ending, log)}", file=sys.stderr)
    with console.quiet(log):
        mended = executions.mend(metadata_url.connect(address, password), node_run)
    attempt.end()
    for execution_id in mended:
        print(
            f"execution {execution_id} is recorded as failed and what it had written "
            "is removed",
            file=sys.stderr,
        )
    return 128 + ending.stopped_by if ending.stopped_by else 1


def _work_command(options: argparse.Namespace, log: pathlib.Path) -> list[str]:
    command = [sys.executable, "-m", "pipeline.run_node", "work", "--log", str(log)]
    for name in ("node-id", "run-id", "reference", "ui-metadata", "summary-out"):
        value = getattr(options, name.replace("-", "_"))
        if value is not None:
            command += [f"--{name}", str(value)]
    return command


def _cut_off(ending: supervisor.Ending, log: pathlib.Path) -> str:
    if ending.stopped_by:
        return f"told to stop by {ending.stopped_by.name}"
    from pipeline import node_process

    name = signal.Signals(-ending.code).name
    advice = ""
    if -ending.code == signal.SIGKILL:
        advice = (
            " The kernel does that when memory runs out: raise kubeflow.nodes.<node>."
            "memory_limit."
        )
    return f"killed by {name}.{advice} The end of the log:\n{node_process.tail(log)}"


def _work(options: argparse.Namespace) -> int:
    from pipeline import node_process

    supervisor.die_with_parent()
    return node_process.work(
        node_id=options.node_id,
        run_id=options.run_id,
        reference=options.reference,
        log=options.log,
        summary_out=options.summary_out,
        report_out=options.ui_metadata,
    )


def _new_log(root: pathlib.Path, run_id: str, name: str) -> pathlib.Path:
    """A log file for one attempt, on the shared volume so that it outlives the pod."""
    stamp = datetime.datetime.now().strftime("%Y%m%d-%H%M%S-%f")[:-3]
    folder = root / "logs" / re.sub(r"[^A-Za-z0-9._-]+", "-", run_id)
    folder.mkdir(parents=True, exist_ok=True)
    return folder / f"{name}-{stamp}.log"


if __name__ == "__main__":
    exit_code = main()
    sys.stdout.flush()
    sys.stderr.flush()
    # Libraries crash now and then while they are unloaded, after the work is done.
    os._exit(exit_code)
