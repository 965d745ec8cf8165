import kfp_api
import pytest
import yaml

from foundation import errors
from pipeline.cluster import kubeflow_api, kubeflow_client


@pytest.fixture
def api():
    with kfp_api.serving() as server:
        yield server


@pytest.fixture
def package(tmp_path):
    return kfp_api.write_package(tmp_path / "pipeline.yaml")


def request(package, **values):
    return kubeflow_client.Request(package=package, **values)


def test_a_run_carries_the_pipeline_and_the_parameters_given(api, package):
    run_id = kubeflow_client.submit(
        api.access,
        request(
            package,
            data="/mnt/pipeline/day-{SPAN}",
            overrides=("train.steps=9", "evaluate.min_class_ap={dog: 0.3}"),
            run_name="nightly",
            service_account="trainer",
        ),
    )
    assert run_id == kfp_api.RUN_ID
    (_, experiment), (path, run) = api.posted
    assert experiment["display_name"] == "demo"
    assert path == "/apis/v2beta1/runs"
    assert (run["experiment_id"], run["display_name"]) == ("id-of-demo", "nightly")
    assert run["service_account"] == "trainer"
    spec, platform = yaml.safe_load_all(package.read_text())
    assert run["pipeline_spec"] == {"pipeline_spec": spec, "platform_spec": platform}
    assert run["runtime_config"]["parameters"] == {
        "data": "/mnt/pipeline/day-{SPAN}",
        # The form that a shell, and shlex.split in the first task, reads back.
        "overrides": "train.steps=9 'evaluate.min_class_ap={dog: 0.3}'",
        "run_name": "nightly",
    }


def test_the_pipelines_own_data_is_used_unless_other_is_named(api, package):
    kubeflow_client.submit(api.access, request(package))
    parameters = api.posted[-1][1]["runtime_config"]["parameters"]
    assert "data" not in parameters
    assert parameters["run_name"].startswith("demo-2")


def test_an_experiment_that_exists_is_used_again(api, package):
    api.experiments.append({"display_name": "mine", "experiment_id": "7"})
    kubeflow_client.submit(api.access, request(package, experiment="mine"))
    ((path, run),) = api.posted
    assert (path, run["experiment_id"]) == ("/apis/v2beta1/runs", "7")


def test_a_schedule_makes_one_recurring_run_that_never_overlaps(api, package):
    made = kubeflow_client.submit(
        api.access, request(package, data="/mnt/pipeline/{SPAN}", cron="0 3 * * *")
    )
    assert made == "every-night"
    path, recurring = api.posted[-1]
    assert path == "/apis/v2beta1/recurringruns"
    assert recurring["trigger"]["cron_schedule"]["cron"] == "0 0 3 * * *"
    assert recurring["mode"] == "ENABLE"
    assert recurring["max_concurrency"] == "1"
    assert recurring["no_catchup"] is True
    parameters = recurring["runtime_config"]["parameters"]
    assert parameters == {"data": "/mnt/pipeline/{SPAN}", "overrides": ""}


@pytest.mark.parametrize(
    ("expression", "wanted"),
    [
        ("*/15 * * * *", "0 */15 * * * *"),
        ("30 0 3 ? * 2-6", "30 0 3 ? * 2-6"),
    ],
)
def test_five_fields_of_cron_get_their_seconds(expression, wanted):
    assert kubeflow_client.cron_of(expression) == wanted


@pytest.mark.parametrize("expression", ["", "daily", "* * * *", "1 2 3 4 5 6 7", "a;b"])
def test_other_schedules_are_refused(expression):
    with pytest.raises(errors.UserError, match="wanted five fields"):
        kubeflow_client.cron_of(expression)


def test_the_state_of_a_run_names_its_nodes(api):
    run = kubeflow_client.status(api.access, kfp_api.RUN_ID)
    assert (run.name, run.state) == ("nightly", "RUNNING")
    assert run.tasks == [
        kubeflow_client.Task("Transform", "SUCCEEDED", 125.0, ""),
        kubeflow_client.Task("Trainer", "RUNNING", None, ""),
        kubeflow_client.Task("DataGate", "FAILED", None, "exit code 1"),
    ]


def test_an_unknown_run_is_named(api):
    with pytest.raises(errors.UserError, match="has no run 12-34"):
        kubeflow_client.status(api.access, "12-34")


@pytest.mark.parametrize(
    ("values", "wanted"),
    [
        ({"overrides": ("kubeflow.image=x",)}, "m2f kubeflow compile"),
        ({"overrides": ("train.step=1",)}, "train.step: unknown key"),
        ({"overrides": ("train.steps",)}, "wanted section.key=value"),
        ({"data": "relative"}, "wanted an absolute path as the pods see it"),
        ({"data": "/mnt/a:gs://bucket/b"}, "--data gs://bucket/b: wanted an absolute"),
        ({"data": "gs://bucket/data"}, "wanted an absolute path as the pods see it"),
        ({"cron": "never"}, "wanted five fields"),
    ],
)
def test_what_would_fail_on_the_cluster_is_refused_here(api, package, values, wanted):
    with pytest.raises(errors.UserError, match=wanted):
        kubeflow_client.submit(api.access, request(package, **values))
    assert not api.posted


def test_a_file_that_does_not_exist_is_told_with_the_command_that_makes_it(tmp_path):
    with pytest.raises(errors.UserError, match=r"p\.yaml: No such .*kubeflow compile"):
        kubeflow_client.submit(None, request(tmp_path / "p.yaml"))


@pytest.mark.parametrize("text", ["a: [", "a: 1", "- 1", "", "a: 1\n---\nb: 2"])
def test_a_file_of_another_kind_is_refused(tmp_path, text):
    path = tmp_path / "p.yaml"
    path.write_text(text)
    with pytest.raises(errors.UserError, match="is not a pipeline that"):
        kubeflow_client.submit(kubeflow_api.Access("http://h"), request(path))
