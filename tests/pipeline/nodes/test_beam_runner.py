import os
import sys

import apache_beam as beam
import pytest
from apache_beam.options import pipeline_options
from apache_beam.runners.portability.fn_api_runner import fn_runner

from pipeline.nodes import beam_runner
from pipeline.settings import beam_arguments

PLUGIN = "wave"  # a module that nothing else imports


def imported_by_workers(folder, runner):
    """What a worker process had imported when its first element came."""

    def note(element, module=PLUGIN):
        path = folder / f"{os.getpid()}.txt"
        path.write_text(str(module in sys.modules))

    arguments = [
        *beam_arguments.build("local", 2, ()),
        f"--beam_plugin={PLUGIN}",
    ]
    options = pipeline_options.PipelineOptions(arguments)
    with beam.Pipeline(runner=runner, options=options) as pipeline:
        _ = pipeline | beam.Create(range(4)) | beam.Reshuffle() | beam.Map(note)
    found = {int(path.stem): path.read_text() for path in folder.iterdir()}
    assert found
    assert os.getpid() not in found
    return set(found.values())


@pytest.mark.parametrize(
    ("runner", "imported"),
    [
        (beam_runner.ProcessRunner, "True"),
        # The reason for ours: when this one fails, Beam's will do.
        (fn_runner.FnApiRunner, "False"),
    ],
)
def test_worker_processes_import_what_the_options_name(tmp_path, runner, imported):
    assert imported_by_workers(tmp_path, runner()) == {imported}
