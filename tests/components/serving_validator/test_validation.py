import json
import shutil

import pytest
import tensorflow as tf

from components.serving_validator import validation

SHAPES = [(3, 8, 0, 8, 32)]


@pytest.fixture
def eval_file(tmp_path, colour_model):
    pixels = colour_model.picture(SHAPES)
    records = [colour_model.example(number, pixels, SHAPES) for number in range(3)]
    return str(colour_model.write_split(tmp_path / "eval", records))


def test_the_first_records_are_read_compressed_or_not(tmp_path):
    for name, options in (("a.gz", "GZIP"), ("a", "")):
        path = str(tmp_path / name)
        with tf.io.TFRecordWriter(path, options) as writer:
            for record in (b"one", b"two", b"three"):
                writer.write(record)
        assert validation.read_examples([path], 2) == [b"one", b"two"]
        assert validation.read_examples([path], 9) == [b"one", b"two", b"three"]
    assert validation.read_examples([], 2) == []


def test_without_images_or_a_table_of_classes_the_model_is_refused(tmp_path, eval_file):
    found = validation.validate(tmp_path, [], 2, timeout=120)
    assert (found.passed, found.num_requests) == (False, 0)
    assert found.reason == "there are no eval images to ask the model about"
    found = validation.validate(tmp_path, [eval_file], 2, timeout=120)
    assert not found.passed
    assert "cannot be read as the table of classes" in found.reason


def test_a_model_that_names_a_class_other_than_its_table_does_is_refused(
    tmp_path, exported, eval_file
):
    model = tmp_path / "model"
    shutil.copytree(exported, model)
    (table,) = model.rglob("categories.json")
    table.write_text(table.read_text().replace("red thing", "cat"))
    found = validation.validate(model, [eval_file], 1, timeout=120)
    assert (found.passed, found.num_requests) == (False, 1)
    # One red thing in each of three single answers, and two in the batch.
    assert len(found.faults) == 5
    assert "category 3 is named 'red thing', not as in the table" in found.reason
    assert found.reason.endswith(" (and 4 more)")


def test_the_report_holds_the_whole_finding(tmp_path):
    found = validation.Validation(False, "é", ("é", "other"), 3, 1.5, 2.5, "2.0")
    path = tmp_path / "new" / "folder" / "report.json"
    validation.write_report(found, path)
    assert json.loads(path.read_text(encoding="utf-8")) == {
        "passed": False,
        "reason": "é",
        "faults": ["é", "other"],
        "num_requests": 3,
        "load_seconds": 1.5,
        "latency_ms": 2.5,
        "tensorflow": "2.0",
    }
