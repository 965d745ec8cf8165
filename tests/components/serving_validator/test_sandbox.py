import tensorflow as tf

from components.serving_validator import sandbox


def test_answers_of_another_process_come_back_with_its_version(exported, colour_model):
    shapes = [(7, 8, 0, 8, 32)]
    example = colour_model.example(1, colour_model.picture(shapes), shapes)
    outcome = sandbox.ask(exported, [example], timeout=120)
    assert outcome.failure == ""
    assert [(each.signature, each.requests) for each in outcome.answers] == [
        ("serving_default", [0]),
        ("serving_tensor", [0]),
        ("serving_examples", [0]),
        ("serving_default", [0, 0]),
    ]
    named = [each.values("class_names")[0][0] for each in outcome.answers]
    assert named == ["green thing"] * 4
    assert outcome.tensorflow == tf.__version__


def test_a_model_that_does_not_answer_in_time_is_a_failure_with_the_limit(tmp_path):
    # Not even Python has started after this long, whatever the machine.
    outcome = sandbox.ask(tmp_path, [b""], timeout=0.001)
    wanted = "no answer within 0.001 s of starting to load the model"
    assert outcome == sandbox.Outcome(failure=wanted)
