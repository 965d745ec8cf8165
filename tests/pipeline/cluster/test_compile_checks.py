import pytest

from foundation import errors
from pipeline.cluster import compile_checks
from pipeline.settings import config_file


def settings(**sections):
    return config_file.from_values(sections, [], "a.yaml")


def found(env=None, arguments=()):
    read = settings(
        kubeflow={"nodes": {"Trainer": {"env": env or {}}}},
        run={"beam_args": list(arguments)},
    )
    return list(compile_checks.secret_problems(read, "Hide it."))


@pytest.mark.parametrize(
    "name",
    [
        "DB_PASSWORD",
        "PGPASS_PASS",
        "MY_PASS",
        "WANDB_API_KEY",
        "APIKEY",
        "AWS_SECRET_ACCESS_KEY",
        "SSH_PRIVATE_KEY",
        "KEY",
        "HF_TOKEN",
        "token_of_mine",
        "AZURE_STORAGE_CONNECTION_STRING",
        "GOOGLE_CREDENTIALS",
    ],
)
def test_a_variable_with_the_name_of_a_secret_is_refused_without_its_value(name):
    (problem,) = found({name: "hunter2"})
    assert problem.startswith(f"kubeflow.nodes.Trainer.env.{name}: looks like a secret")
    assert problem.endswith("Hide it.")
    assert "hunter2" not in problem


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("TOKENIZERS_PARALLELISM", "false"),
        ("CUDA_VISIBLE_DEVICES", "0"),
        ("BYPASS", "1"),
        ("MONKEY", "1"),
        ("GOOGLE_APPLICATION_CREDENTIALS", "/mnt/pipeline/key.json"),
        ("SSL_KEY_FILE", "/etc/key.pem"),
    ],
)
def test_other_variables_and_paths_of_key_files_pass(name, value):
    assert found({name: value}) == []


def test_beams_arguments_are_looked_at_too():
    arguments = ["--s3_secret_access_key=hunter2", "--s3-secret-access-key=hunter2"]
    problems = found(arguments=[*arguments, "--dataflow_kms_key=projects/p/keys/k"])
    assert [problem.partition(":")[0] for problem in problems] == [
        "run.beam_args --s3_secret_access_key",
        "run.beam_args --s3-secret-access-key",
    ]
    assert "hunter2" not in "".join(problems)


def test_the_first_twenty_problems_are_told_in_one_error():
    with pytest.raises(errors.ConfigError) as caught:
        compile_checks.refuse("Mars", [f"problem {n:02}" for n in range(25)])
    first, *rest = str(caught.value).splitlines()
    assert first == "this cannot run on Mars:"
    assert rest == [f"  problem {n:02}" for n in range(20)]
    compile_checks.refuse("Mars", [])


def test_text_that_looks_like_a_placeholder_is_a_problem():
    assert list(compile_checks.template_problems(settings())) == []
    (problem,) = compile_checks.template_problems(settings(kubeflow={"data": "/{{x"}))
    assert "holds '{{'" in problem
