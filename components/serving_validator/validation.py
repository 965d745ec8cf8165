"""Decides whether a model can be served, and reports how it was found out."""

import dataclasses
import json
import pathlib
from collections.abc import Sequence

from components.serving_validator import answer_checks, sandbox, stored_values
from foundation import artifact_paths, errors
from model.examples import record_files
from model.serve import saved_model

REPORT_FILENAME = "report.json"


@dataclasses.dataclass(frozen=True)
class Validation:
    """The decision.

    Attributes:
        reason: one line for the user.
        faults: everything that was found, in full.
    """

    passed: bool
    reason: str
    faults: tuple[str, ...] = ()
    num_requests: int = 0
    load_seconds: float = 0.0
    latency_ms: float = 0.0
    tensorflow: str = ""


def validate(
    model: pathlib.Path, files: Sequence[str], num_requests: int, timeout: float
) -> Validation:
    """Asks the model about the first stored images and checks what it says.

    Args:
        files: TFRecords of the split that the images are taken from.
        timeout: seconds for loading and all requests together.
    """
    examples = read_examples(files, num_requests)
    if not examples:
        return _refused(["there are no eval images to ask the model about"])
    try:
        classes = saved_model.read_categories(model)
    except errors.ModelFileError as error:
        return _refused([str(error)])
    names = {category.category_id: category.name for category in classes}
    if fault := stored_values.find_fault(model):
        return _refused([fault])
    outcome = sandbox.ask(model, examples, timeout)
    if outcome.failure:
        return _refused([outcome.failure], len(examples))
    faults = answer_checks.find_faults(outcome.answers, names)
    if faults:
        return _refused(faults, len(examples))
    reason = (
        f"{len(outcome.answers)} requests about {len(examples)} eval images answered "
        f"by a clean process, {outcome.latency_ms:.0f} ms an image, loaded in "
        f"{outcome.load_seconds:.1f} s"
    )
    return Validation(
        passed=True,
        reason=reason,
        num_requests=len(examples),
        load_seconds=outcome.load_seconds,
        latency_ms=outcome.latency_ms,
        tensorflow=outcome.tensorflow,
    )


def write_report(found: Validation, path: artifact_paths.Path) -> None:
    """Writes the whole finding as JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(dataclasses.asdict(found), indent=1, ensure_ascii=False)
    path.write_text(text, encoding="utf-8")


def read_examples(files: Sequence[str], count: int) -> list[bytes]:
    """The first serialized tf.Examples of a split."""
    if not files:
        return []
    return list(record_files.read(files).take(count).as_numpy_iterator())


def _refused(faults: list[str], num_requests: int = 0) -> Validation:
    more = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
    return Validation(False, faults[0] + more, tuple(faults[:20]), num_requests)
