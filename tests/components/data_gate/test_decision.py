import json

from components.data_gate import checks, decision


def check(name, severity, value, *examples, limit=0.0, is_count=True):
    advice = f"mend {name}"
    key = f"data.gate.{name}"
    return checks.Check(name, key, severity, value, limit, examples, advice, is_count)


PASSING = check("empty_mask", "error", 0)
WARNING = check("class_drift", "warning", 0.25, "the 'dog's", limit=0.1, is_count=False)
FAILING = check(
    "missing_image", "error", 5, "a.jpg: no such file", "b.jpg: no such file", limit=3
)


def test_one_failed_check_stops_the_run_and_a_warning_does_not():
    assert decision.decide([PASSING, WARNING]).passed
    assert not decision.decide([PASSING, FAILING]).passed


def test_no_checks_are_no_evidence():
    assert not decision.decide([]).passed


def test_the_table_shows_what_failed_and_what_to_do():
    ratio = check("imbalance", "error", 12.5, "few oxen", limit=10, is_count=False)
    verdict = decision.decide([PASSING, WARNING, FAILING, ratio])
    assert decision.explain(verdict).splitlines() == [
        "the data gate stopped the run: 2 of 4 checks failed",
        "  check            count    limit  first examples",
        "  missing_image        5        3  a.jpg: no such file",
        "                                   b.jpg: no such file",
        "                                   ... and 3 more",
        "  imbalance       12.500       10  few oxen",
        "What to do:",
        "  missing_image: mend missing_image, or let it pass with --set "
        "data.gate.missing_image.limit=5",
        "  imbalance: mend imbalance, or let it pass with --set "
        "data.gate.imbalance.limit=12.500",
    ]


def test_warnings_and_the_summary_are_one_line_each():
    verdict = decision.decide([PASSING, WARNING, FAILING])
    assert verdict.warnings == [
        "class_drift 0.250, limit 0.100 (data.gate.class_drift): the 'dog's"
    ]
    assert verdict.summary == (
        "3 checks; 1 failed: missing_image; 1 warned of: class_drift"
    )
    assert decision.decide([PASSING, PASSING]).summary == "2 checks"


def test_the_recorded_verdict_holds_every_check():
    content = json.loads(decision.decide([PASSING, WARNING, FAILING]).to_json())
    assert content["passed"] is False
    assert [(c["name"], c["outcome"]) for c in content["checks"]] == [
        ("empty_mask", "passed"),
        ("class_drift", "warned"),
        ("missing_image", "failed"),
    ]
    assert len(content["warnings"]) == 1
    assert "limit=5" in content["checks"][2]["remedy"]
