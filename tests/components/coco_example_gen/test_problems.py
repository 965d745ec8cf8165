import pytest

from components.coco_example_gen import problems
from foundation import errors


def problem(kind, number=0):
    return problems.Problem(kind, "a.json", f"fault {number}", "stopped", 3, number)


def test_counts_are_exact_while_only_the_first_20_of_each_kind_are_kept():
    log = problems.ProblemLog()
    for number in range(25):
        log.add(problem("missing_image", number))
    log.add(problem("dangling_id"))
    assert log.counts == {"missing_image": 25, "dangling_id": 1}
    kept = [p.annotation_id for p in log.examples if p.kind == "missing_image"]
    assert kept == list(range(20))
    assert log.examples[-1].kind == "dangling_id"


def test_merged_logs_add_their_counts_and_share_the_room_for_examples():
    log, other = problems.ProblemLog(max_examples=3), problems.ProblemLog()
    for number in range(2):
        log.add(problem("empty_mask", number))
    for number in range(10, 14):
        other.add(problem("empty_mask", number))
    log.merge(other.counts, other.examples)
    assert log.counts == {"empty_mask": 6}
    assert [each.annotation_id for each in log.examples] == [0, 1, 10]


def test_errors_are_raised_together_and_what_can_be_gone_on_with_is_not():
    log = problems.ProblemLog()
    log.add(problem("missing_image"))
    log.add(problem("bbox_recomputed"))
    log.raise_errors()  # neither is an error
    for number in range(22):
        log.add(problem("duplicate_id", number))
    log.add(problem("unsafe_path", 99))
    with pytest.raises(errors.CocoFormatError) as raised:
        log.raise_errors()
    lines = str(raised.value).split("\n")
    assert lines[0] == "the annotations have 23 faults:"
    assert lines[1] == "  a.json, image 3, annotation 0: fault 0"
    assert lines[20:] == [
        "  a.json, image 3, annotation 19: fault 19",
        "  ... and 3 more",
    ]


def test_a_place_names_only_the_ids_there_are_and_zero_is_one():
    told = problems.Problem("missing_image", "a.png", "no such file", "left out")
    assert told.describe() == "a.png: no such file"
    told = problems.Problem("missing_image", "a.png", "no such file", "left out", 0)
    assert told.describe() == "a.png, image 0: no such file"


def test_a_line_stays_short_whatever_the_data_is_named():
    name, reason = "n" * 100_000, "r" * 100_000 + "; write 3"
    line = problems.Problem("missing_image", name, reason, "left out", 7).describe()
    assert len(line) < 1400
    assert "nnn...nnn" in line and "nnn, image 7: rrr" in line
    assert line.endswith("rrr; write 3")
    usual = problems.Problem("missing_image", "n" * 300, "r" * 1000, "left out")
    assert usual.describe() == f"{'n' * 300}: {'r' * 1000}"
