import json

from components.data_gate import checks, decision

PASSING = checks.Check("empty_mask", 7, None, ("a.jpg: the mask is empty",), "nothing")
FAILING = checks.Check(
    "missing_image", 5, 3, ("a.jpg: no such file", "b.jpg: no such file"), "find it"
)


def test_one_failed_check_stops_the_run():
    assert decision.decide([PASSING]).passed
    assert not decision.decide([PASSING, FAILING]).passed


def test_no_checks_are_no_evidence():
    assert not decision.decide([]).passed


def test_the_table_shows_what_failed_and_what_to_do():
    text = decision.explain(decision.decide([PASSING, FAILING]))
    assert text.splitlines() == [
        "the data gate stopped the run: 1 of 2 checks failed",
        "  check           count   limit  first examples",
        "  missing_image       5       3  a.jpg: no such file",
        "                                 b.jpg: no such file",
        "                                 ... and 3 more",
        "What to do:",
        "  missing_image: find it",
    ]


def test_the_recorded_verdict_holds_every_check():
    content = json.loads(decision.decide([PASSING, FAILING]).to_json())
    assert content["passed"] is False
    assert [(c["name"], c["passed"]) for c in content["checks"]] == [
        ("empty_mask", True),
        ("missing_image", False),
    ]
    assert content["checks"][0]["limit"] is None
