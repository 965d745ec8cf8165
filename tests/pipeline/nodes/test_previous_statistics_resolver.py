"""Which statistics drift is judged against, over stores written as TFX writes them."""

import mlmd
import pytest
from tfx.types import standard_artifacts

from pipeline.nodes import previous_statistics_resolver


class History:
    """Runs of a pipeline up to its data gate."""

    def __init__(self, path):
        self.ml = mlmd.written(path)
        self.runs = 0

    def run(self, fingerprint, span=0, gate="COMPLETE", before=None):
        """Records a run on new data; returns the id of its statistics."""
        self.runs += 1
        run = str(self.runs)
        properties = {"span": span, "input_fingerprint": fingerprint}
        examples = mlmd.artifact("Examples", f"/examples/{run}", **properties)
        statistics = mlmd.artifact("ExampleStatistics", f"/statistics/{run}")
        outputs = {"examples": examples}
        mlmd.record(self.ml, run, "CocoExampleGen", {}, outputs)
        inputs, outputs = {"examples": examples}, {"statistics": statistics}
        mlmd.record(self.ml, run, "StatisticsGen", inputs, outputs)
        inputs = {"statistics": statistics}
        if before is not None:
            inputs["previous_statistics"] = before
        passed = gate != "FAILED"
        verdict = {"verdict": mlmd.artifact("Verdict", f"/{run}")} if passed else {}
        mlmd.record(self.ml, run, "DataGate", inputs, verdict, gate)
        return statistics

    def resolve(self, current):
        """URI of the statistics that were found for the current ones."""
        known = []
        for row in self.ml.get_artifacts_by_type("ExampleStatistics"):
            artifact = standard_artifacts.ExampleStatistics()
            artifact.set_mlmd_artifact(row)
            known.append(artifact)
        resolved = previous_statistics_resolver.PreviousStatistics().resolve_artifacts(
            self.ml,
            {
                previous_statistics_resolver.CURRENT: [
                    a for a in known if a.id == current.id
                ],
                previous_statistics_resolver.STATISTICS: known,
            },
        )
        assert [a.id for a in resolved[previous_statistics_resolver.CURRENT]] == [
            current.id
        ]
        return [a.uri for a in resolved[previous_statistics_resolver.STATISTICS]]


@pytest.fixture
def history(tmp_path):
    return History(tmp_path / "metadata.sqlite")


def test_the_first_data_has_nothing_before_it(history):
    assert history.resolve(history.run("a")) == []


def test_without_spans_the_latest_other_data_is_found(history):
    history.run("a")
    history.run("b")
    assert history.resolve(history.run("c")) == ["/statistics/2"]


def test_the_same_data_never_counts(history):
    history.run("a")
    history.run("b")
    assert history.resolve(history.run("b")) == ["/statistics/1"]


def test_what_came_later_does_not_change_what_was_found(history):
    history.run("a")
    current = history.run("b")
    history.run("c")
    assert history.resolve(current) == ["/statistics/1"]


def test_the_nearest_span_below_is_found_and_no_later_one(history):
    for span in (1, 3, 2, 7):
        history.run(f"data of {span}", span)
    assert history.resolve(history.run("data of 5", 5)) == ["/statistics/2"]


def test_another_version_of_a_span_counts_only_when_there_is_no_span_below(history):
    history.run("first version", 4)
    current = history.run("second version", 4)
    assert history.resolve(current) == ["/statistics/1"]
    history.run("data of 3", 3)
    assert history.resolve(history.run("third version", 4)) == ["/statistics/3"]


def test_data_that_the_gate_stopped_is_no_measure(history):
    good = history.run("a")
    stopped = history.run("b", gate="FAILED")
    # Being what others were compared with is no verdict on it.
    history.run("c", gate="FAILED", before=stopped)
    assert history.resolve(history.run("d")) == [good.uri]


def test_data_that_passed_in_a_later_run_counts(history):
    history.run("a")
    stopped = history.run("b", gate="FAILED")
    outputs = {"verdict": mlmd.artifact("Verdict", "/later")}
    mlmd.record(history.ml, "later", "DataGate", {"statistics": stopped}, outputs)
    assert history.resolve(history.run("c")) == [stopped.uri]
