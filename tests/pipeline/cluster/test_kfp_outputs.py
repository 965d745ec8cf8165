import json
import re

import pytest

from pipeline.cluster import kfp_outputs
from pipeline.metadata import store
from pipeline.nodes import node_launch


def evaluation(folder, *, baseline=True):
    numbers = {"num_images": 4, "mask_ap": 0.25, "mask_ap_large": None}
    classes = [
        {"category_id": 3, "name": "<b>", "num_objects": 1}
        | {"mask_ap": 0.5, "mask_ap50": 1.0},
        {"category_id": 9, "name": "new", "num_objects": 2}
        | {"mask_ap": 0.0, "mask_ap50": 0.0},
    ]
    content = {
        "blessed": True,
        "reasons": ["AP 0.25 > 0.2"],
        "candidate": {**numbers, "classes": classes},
        "baseline": {**numbers, "mask_ap": 0.125, "classes": classes[:1]}
        if baseline
        else None,
    }
    folder.mkdir()
    (folder / "metrics.json").write_text(json.dumps(content))
    properties = {"mask_ap": 0.25, "note": "a|b", "tfx_version": "1.21.0"}
    made = store.Artifact(17, "ModelEvaluation", str(folder), properties)
    model = store.Artifact(15, "Model", "/models/15", {})
    return store.Execution(
        execution_id=10,
        node_id="CocoEvaluator",
        run_id="monday",
        state="complete",
        properties={},
        inputs={"model": [model]},
        outputs={"evaluation": [made]},
    )


RESULT = node_launch.NodeResult("CocoEvaluator", "ran", 61.0)


def cells(page):
    """The rows of all tables of a page."""
    rows = re.findall(r"<tr>(.*?)</tr>", page)
    return [re.findall(r"<t[dh][^>]*>(.*?)</t[dh]>", row) for row in rows]


def test_the_summary_names_state_inputs_outputs_and_numbers(tmp_path):
    execution = evaluation(tmp_path / "evaluation")
    path = tmp_path / "made" / "summary.md"
    kfp_outputs.write_summary(path, RESULT, execution)
    text = path.read_text()
    assert text.startswith("# CocoEvaluator: ran\n")
    assert "Took 1 min 01 s." in text
    assert "Execution 10 of run `monday`." in text
    assert "| model | Model | #15 | /models/15 |" in text
    assert f"| evaluation | ModelEvaluation | #17 | {tmp_path}/evaluation |" in text
    assert "| mask_ap | 0.25 |" in text
    assert "| note | a\\|b |" in text
    assert "tfx_version" not in text


def test_the_summary_of_a_skipped_node_is_short(tmp_path):
    skipped = node_launch.NodeResult("Pusher", "skipped", 0.5)
    kfp_outputs.write_summary(tmp_path / "summary.md", skipped, None)
    text = (tmp_path / "summary.md").read_text()
    assert text == "# Pusher: skipped\n\nTook 0.5 s.\n"


@pytest.mark.parametrize("baseline", [True, False])
def test_the_report_sets_candidate_beside_baseline(tmp_path, baseline):
    execution = evaluation(tmp_path / "evaluation", baseline=baseline)
    path = tmp_path / "made" / "report.html"
    kfp_outputs.write_report(path, execution)
    page = path.read_text()
    assert "<h1>Verdict: blessed</h1>" in page
    assert "<li>AP 0.25 &gt; 0.2</li>" in page
    before = ("4", "0.1250", "undefined", "0.5000") if baseline else ("none",) * 4
    assert cells(page) == [
        ["metric", "candidate", "baseline"],
        ["num_images", "4", before[0]],
        ["mask_ap", "0.2500", before[1]],
        ["mask_ap_large", "undefined", before[2]],
        ["class", "objects", "mask AP", "mask AP50", "baseline mask AP"],
        ["&lt;b&gt; (3)", "1", "0.5000", "1.0000", before[3]],
        ["new (9)", "2", "0.0000", "0.0000", "none"],
    ]
    assert "http" not in page


def test_without_an_evaluation_the_report_says_so(tmp_path):
    kfp_outputs.write_report(tmp_path / "report.html", None)
    assert "Nothing was evaluated." in (tmp_path / "report.html").read_text()
