import pytest
from apache_beam import runners
from apache_beam.options import pipeline_options
from apache_beam.runners.portability import fn_api_runner, portable_runner
from tfx.utils import dependency_utils
from typer import testing

from foundation import errors
from pipeline.cli import cli, commands
from pipeline.nodes import beam_runner
from pipeline.settings import beam_arguments, config_file

FOR_DATAFLOW = (
    "--project=p",
    "--region=r",
    "--temp_location=gs://bucket/tmp",
    "--sdk_container_image=registry.example.com/m2f:1",
)
CHOICES = [
    ("local", ()),
    ("portable", ("--job_endpoint=server:8099",)),
    ("flink", ()),
    ("dataflow", FOR_DATAFLOW),
]


def options(arguments, view):
    return pipeline_options.PipelineOptions(arguments).view_as(view)


@pytest.mark.parametrize(("runner", "extra"), CHOICES)
def test_tfx_packs_no_source_package_whatever_the_runner(runner, extra, monkeypatch):
    def refuse():
        raise RuntimeError("a package was built")

    monkeypatch.setattr(dependency_utils, "build_ephemeral_package", refuse)
    arguments = beam_arguments.build(runner, 2, extra)
    assert dependency_utils.make_beam_dependency_flags(arguments) == arguments
    with pytest.raises(RuntimeError):  # so the test would notice
        dependency_utils.make_beam_dependency_flags(["--runner=PortableRunner"])


@pytest.mark.parametrize(
    ("runner", "workers", "extra", "wanted"),
    [
        ("local", 1, (), fn_api_runner.FnApiRunner),
        ("local", 2, (), beam_runner.ProcessRunner),
        ("portable", 1, ("--job_endpoint=s:1",), portable_runner.PortableRunner),
        ("flink", 2, (), portable_runner.PortableRunner),
    ],
)
def test_beam_makes_the_runner_that_was_meant_and_not_its_default(
    runner, workers, extra, wanted
):
    arguments = beam_arguments.build(runner, workers, extra)
    name = options(arguments, pipeline_options.StandardOptions).runner
    assert type(runners.create_runner(name)) is wanted


@pytest.mark.parametrize(
    ("workers", "mode"), [(1, "in_memory"), (2, "multi_processing")]
)
def test_more_than_one_local_worker_is_more_than_one_process(workers, mode):
    found = options(
        beam_arguments.build("local", workers, ()), pipeline_options.DirectOptions
    )
    assert found.direct_running_mode == mode
    assert found.direct_num_workers == workers


@pytest.mark.parametrize(("runner", "extra"), CHOICES)
def test_every_worker_imports_tfx_first_even_beside_another_plugin(runner, extra):
    arguments = beam_arguments.build(runner, 2, (*extra, "--beam_plugin=other"))
    found = options(arguments, pipeline_options.SetupOptions)
    assert found.beam_plugins == ["tfx", "other"]


def test_workers_of_a_job_server_are_found_in_a_pool_beside_them():
    found = options(
        beam_arguments.build("flink", 4, ()), pipeline_options.PortableOptions
    )
    assert found.environment_type == "EXTERNAL"
    assert found.environment_config == "localhost:50000"
    assert found.job_endpoint == "m2f-beam-job-server:8099"


def test_raw_arguments_replace_those_of_the_same_name_and_stand_once():
    extra = ("--job_endpoint=other:1", "--environment_config=pool:7")
    arguments = beam_arguments.build("flink", 1, extra)
    assert sum(a.startswith("--job_endpoint") for a in arguments) == 1
    found = options(arguments, pipeline_options.PortableOptions)
    assert found.job_endpoint == "other:1"
    assert found.environment_config == "pool:7"


def dataflow(changed):
    """An override with all that Dataflow needs, one of them changed."""
    name = changed.partition("=")[0]
    others = [argument for argument in FOR_DATAFLOW if not argument.startswith(name)]
    return f"run.beam_args=[{', '.join([*others, changed])}]"


def refusal(*overrides):
    with pytest.raises(errors.ConfigError) as caught:
        config_file.load("demo.yaml", overrides)
    return str(caught.value)


def test_dask_is_refused_with_the_reason_wherever_it_is_asked_for():
    assert "loses data" in refusal("run.beam_runner=dask")
    assert "loses data" in refusal("run.beam_args=[--runner=DaskRunner]")
    assert "loses data" in refusal(
        "run.beam_args=[--runner=apache_beam.runners.dask.dask_runner.DaskRunner]"
    )


@pytest.mark.parametrize(
    ("overrides", "named"),
    [
        (["run.beam_runner=spark"], "'spark'"),
        (["run.beam_args=[--runner=FlinkRunner]"], "set beam_runner"),
        (["run.beam_args=[job_endpoint=a:1]"], "--name=value"),
        (["run.beam_args=[--setup_file=/a/setup.py]"], "run the image"),
        (["run.beam_runner=portable"], "--job_endpoint=host:8099"),
        (["run.beam_runner=dataflow"], "--temp_location=gs://bucket/tmp"),
        (
            ["run.beam_runner=dataflow", dataflow("--temp_location=/tmp")],
            "--temp_location=/tmp: Google's machines",
        ),
        (
            ["run.beam_runner=dataflow", dataflow("--project=")],
            "needs more in beam_args: --project=my-project",
        ),
    ],
)
def test_arguments_that_cannot_work_are_refused_with_what_to_write(overrides, named):
    message = refusal(*overrides)
    assert named in message
    assert "run" in message


def test_options_of_the_command_line_reach_the_configuration(monkeypatch, tmp_path):
    seen = []
    monkeypatch.setattr(commands, "run", lambda *arguments: seen.append(arguments) or 0)
    arguments = ["run", "--data", str(tmp_path), "--config", "demo.yaml"]
    arguments += ["--beam-runner", "portable", "--beam-arg=--job_endpoint=host:1"]
    arguments += ["--beam-arg=--experiments=a,b", "--set", "run.beam_workers=3"]
    result = testing.CliRunner().invoke(cli.app, arguments)
    assert result.exit_code == 0, result.output
    ((_, _, _, overrides),) = seen
    found = config_file.load("demo.yaml", overrides).run
    assert found.beam_runner == "portable"
    assert found.beam_args == ("--job_endpoint=host:1", "--experiments=a,b")
    assert found.beam_workers == 3
