import types

from model import run_fn


def fn_args(execution: int, steps: int = 10):
    return types.SimpleNamespace(
        custom_config={"config": f'{{"train": {{"steps": {steps}}}}}'},
        train_files=["b", "a"],
        transform_graph_path="graph/3",
        model_run_dir=f"root/Trainer/model_run/{execution}",
    )


def test_the_next_execution_of_the_same_training_finds_its_checkpoints():
    first, second = (run_fn._unfinished_dir(fn_args(number)) for number in (7, 8))
    assert first == second
    assert first.parent.as_posix() == "root/Trainer/unfinished"


def test_another_training_does_not():
    assert run_fn._unfinished_dir(fn_args(7)) != run_fn._unfinished_dir(fn_args(7, 11))
