import pydantic
import pytest

from pipeline.settings import config_file, run_config

_DATAFLOW = (
    "--project=p",
    "--region=r",
    "--temp_location=gs://bucket/tmp",
    "--sdk_container_image=registry.example.com/m2f:1",
)
_CHOICES = [
    ("local", ()),
    ("portable", ("--job_endpoint=server:8099",)),
    ("flink", ()),
    ("dataflow", _DATAFLOW),
]


def test_by_default_one_process_of_this_machine_runs_what_is_not_cached():
    found = run_config.RunConfig()
    assert (found.enable_cache, found.beam_workers) == (True, 1)
    assert (found.beam_runner, found.beam_args) == ("local", ())


@pytest.mark.parametrize(("runner", "extra"), _CHOICES)
def test_every_choice_can_be_configured(runner, extra):
    settings = config_file.load(
        "demo.yaml",
        [f"run.beam_runner={runner}", f"run.beam_args=[{', '.join(extra)}]"],
    )
    assert settings.run.beam_runner == runner
    assert settings.run.beam_args == extra


def test_no_choice_is_left_out_here():
    with pytest.raises(pydantic.ValidationError) as caught:
        run_config.RunConfig(beam_runner="spark")
    (problem,) = caught.value.errors()
    assert problem["loc"] == ("beam_runner",)
    for runner, _ in _CHOICES:
        assert f"'{runner}'" in problem["msg"]
    assert problem["msg"].count("'") == 2 * len(_CHOICES)


@pytest.mark.parametrize("workers", [0, -1, 1.5])
def test_workers_are_counted_from_one(workers):
    assert run_config.RunConfig(beam_workers=1).beam_workers == 1
    with pytest.raises(pydantic.ValidationError, match="beam_workers"):
        run_config.RunConfig(beam_workers=workers)


@pytest.mark.parametrize("runner", ["dask", "Dask", "DaskRunner"])
def test_dask_is_refused_for_what_it_does_and_not_as_a_word_unknown(runner):
    with pytest.raises(pydantic.ValidationError, match="loses data") as caught:
        run_config.RunConfig(beam_runner=runner)
    assert "Use flink, portable or local" in str(caught.value)


def test_a_runner_without_the_arguments_it_needs_is_refused():
    with pytest.raises(pydantic.ValidationError, match="--job_endpoint=host:8099"):
        run_config.RunConfig(beam_runner="portable")
    # Those of one runner are not those of another.
    with pytest.raises(pydantic.ValidationError, match="--project=my-project"):
        run_config.RunConfig(beam_runner="dataflow", beam_args=["--job_endpoint=h:1"])
