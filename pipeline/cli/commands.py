"""What each command of `m2f` does, once its arguments are parsed."""

import contextlib
import logging
import os
import pathlib
from collections.abc import Iterator, Sequence

import rich.console

from foundation import artifact_paths, console, errors
from model import tune_section
from model.serve import model_folder
from pipeline.cli import data_commands
from pipeline.local import workspace
from pipeline.settings import config, config_file

_QUICK_IMAGES = {"num_train": 32, "num_eval": 8}
_QUICK_OVERRIDES = (
    "name=demo_quick",
    "serve.model_name=demo_quick",
    "train.steps=150",
    "train.batch_size=4",
    "train.warmup_steps=20",
    "evaluate.min_mask_ap=0.0",
)


def demo(root: pathlib.Path, quick: bool, overrides: Sequence[str]) -> int:
    """Generates the toy dataset if need be and runs the graph on it."""
    chosen = (*_QUICK_OVERRIDES, *overrides) if quick else overrides
    settings = config_file.load_preset("demo.yaml", chosen)
    space = workspace.Workspace(root)
    with _session(space, "demo") as (terminal, log):
        from pipeline.toy import toy_coco

        images = _QUICK_IMAGES if quick else {}
        folder = space.toy_data.with_name("toy_coco_quick") if quick else space.toy_data
        toy_coco.generate(folder, **images)
        if quick:
            terminal.print("quick: a smoke run, any defined mask AP is blessed")
        return _run_graph(settings, [folder], space, terminal, log)


def run(
    data: Sequence[pathlib.Path],
    source: str,
    root: pathlib.Path,
    overrides: Sequence[str],
) -> int:
    """Runs the graph on the user's data: one folder, or several as one dataset."""
    settings = config_file.load(source, overrides)
    folders = [_require_folder(folder) for folder in data]
    space = workspace.Workspace(root)
    for folder in folders:
        if folder in (space.root, *space.root.parents):
            raise errors.WorkspaceError(
                f"workspace {space.root}: lies inside --data {folder}, so every run "
                "would change the data it reads. Name another with --workspace."
            )
    with _session(space, "run") as (terminal, log):
        return _run_graph(settings, folders, space, terminal, log)


def tune(
    data: Sequence[pathlib.Path],
    source: str,
    root: pathlib.Path,
    overrides: Sequence[str],
) -> int:
    """As `run`, of a configuration that has trials."""
    reason = tune_section.fault(config_file.load(source, overrides).tune)
    if reason:
        raise errors.ConfigError(f"{source}: {reason}.")
    return run(data, source, root, overrides)


def train(
    data: Sequence[pathlib.Path],
    examples: pathlib.Path | None,
    source: str,
    out: pathlib.Path,
    overrides: Sequence[str],
) -> int:
    """Trains alone, in a folder of its own."""
    settings = config_file.load(source, overrides)
    if bool(data) == (examples is not None):
        raise errors.UserError("wanted either --data or --examples, and not both.")
    inputs = [_require_folder(folder) for folder in data]
    inputs += [] if examples is None else [examples]
    out = workspace.training_folder(out, inputs)
    log = workspace.new_log(out / "logs", "train")
    lock = workspace.locked(out / ".lock", f"--out {out}", "--out")
    with lock, console.quiet(log) as terminal:
        console.prepare_libraries(log)
        terminal.print(f"log       {log}", soft_wrap=True, markup=False)
        with console.bars(terminal):
            from pipeline.tools import training

            if examples is not None:
                stored = training.of_records(examples)
            else:
                stored = training.of_data(data_commands.latest(inputs), settings, out)
            finished = training.run(stored, settings, out)
        terminal.print(str(finished), soft_wrap=True, markup=False)
    return 0


def predict(
    model: pathlib.Path,
    images: Sequence[pathlib.Path],
    out: pathlib.Path,
    min_score: float,
) -> int:
    """Draws detections."""
    model_folder.newest_version(model)
    with console.foreground() as terminal:
        from pipeline.tools import predict as predictor

        summary = predictor.predict_files(model, images, out, min_score)
        terminal.print(str(summary), soft_wrap=True, markup=False)
    return 0


def evaluate(model: pathlib.Path, data: pathlib.Path, batch_size: int) -> int:
    """Scores a pushed model on a COCO folder."""
    data = _require_folder(data)
    model_folder.newest_version(model)
    with console.foreground() as terminal:
        from pipeline.tools import evaluate as evaluator

        terminal.print(evaluator.evaluate_folder(model, data, batch_size=batch_size))
    return 0


def lineage(model: str | None, root: pathlib.Path, url: str | None) -> int:
    """Prints the tree from a pushed model to its data.

    Args:
        url: of the metadata database; None for the workspace's.
    """
    from pipeline.metadata import store
    from pipeline.tools import lineage as tracer

    if url is None and model and artifact_paths.is_remote(model):
        raise errors.ConfigError(
            f"{model}: was pushed by a run on a cluster, whose metadata database tells "
            "where it comes from. Name it with --metadata mysql://user@host:3306/db or "
            "postgresql://user@host:5432/db."
        )
    if url is None:
        found = store.Store.open(workspace.Workspace(root).metadata)
    else:
        with console.quiet(pathlib.Path(os.devnull)):
            found = store.Store.connect(url)
    tree = tracer.tree(found, artifact_paths.of(model) if model else None)
    terminal = rich.console.Console(highlight=False)
    if not terminal.is_terminal:  # a file or a pipe has no edge to wrap at
        terminal.width = 1000
    terminal.print(tree)
    return 0


def convert_weights(
    source: pathlib.Path,
    out: pathlib.Path,
    categories_file: pathlib.Path | None,
    torch_python: str | None,
) -> int:
    """Converts weights and says what they are."""
    with console.foreground() as terminal:
        from pipeline.tools import weights_conversion

        made = weights_conversion.convert(source, out, categories_file, torch_python)
        terminal.print(str(made), soft_wrap=True, markup=False)
    return 0


def _require_folder(data: pathlib.Path) -> pathlib.Path:
    """The absolute path of a data folder; a `{SPAN}` in it is looked up later."""
    data = data.expanduser().absolute()
    fixed = pathlib.Path(str(data).split("{")[0])
    if not fixed.is_dir() and "{" not in str(data):
        what = "is a file" if fixed.exists() else "does not exist"
        raise errors.UserError(
            f"--data {data}: {what}; wanted the folder that holds the annotation "
            "JSON and the images."
        )
    return data


def _run_graph(
    settings: config.PipelineConfig,
    data: Sequence[pathlib.Path],
    space: workspace.Workspace,
    terminal: rich.console.Console,
    log: pathlib.Path,
) -> int:
    from pipeline.local import run_local, summary
    from pipeline.metadata import store

    display = console.NodeDisplay(terminal)
    try:
        with display:
            result = run_local.run(settings, data, space, display)
    except (errors.UserError, errors.PipelineError):
        raise
    except Exception as error:
        logging.exception("%s failed", display.current)
        reason = " ".join(str(error).split())[:400]
        raise errors.PipelineError(
            f"{display.current} failed: {type(error).__name__}: {reason}\n"
            f"The log has the whole story: {log}"
        ) from error
    outcome = summary.read(store.Store.open(space.metadata), result.run_id)
    summary.show(terminal, result, outcome, space)
    return 0 if outcome.pushed_to else 1


@contextlib.contextmanager
def _session(
    space: workspace.Workspace, command: str
) -> Iterator[tuple[rich.console.Console, pathlib.Path]]:
    """A locked workspace, a quiet terminal and progress bars."""
    space.create()
    log = space.new_log(command)
    with space.locked(), console.quiet(log) as terminal:
        console.prepare_libraries(log)
        terminal.print(f"log       {log}", soft_wrap=True, markup=False)
        with console.bars(terminal):
            yield terminal, log
