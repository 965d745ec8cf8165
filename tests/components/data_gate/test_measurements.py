import json

from tensorflow_metadata.proto.v0 import anomalies_pb2, statistics_pb2

from components.data_gate import measurements


def test_the_report_gives_counts_by_kind_and_places_by_the_ids_there_are(tmp_path):
    def row(kind, message, image_id, annotation_id):
        return {
            "kind": kind,
            "file": "é.json",
            "message": message,
            "image_id": image_id,
            "annotation_id": annotation_id,
        }

    summary = {
        "splits": {"train": {"images": 7, "crowds": 1}, "eval": {"images": 0}},
        "problems": {
            "empty_mask": {"severity": "dropped", "count": 31},
            "wrong_suffix": {"severity": "noted", "count": 0},
        },
    }
    rows = [
        row("empty_mask", "first", 0, 12),
        row("missing_image", "other", 4, None),
        row("empty_mask", "second", None, None),
    ]
    (tmp_path / "summary.json").write_text(json.dumps(summary), encoding="utf-8")
    (tmp_path / "problems.json").write_text(
        json.dumps({"examples": rows}, ensure_ascii=False), encoding="utf-8"
    )
    report = measurements.read_report(str(tmp_path))
    assert report.splits == summary["splits"]
    assert report.counts == {"empty_mask": 31, "wrong_suffix": 0}
    assert report.examples == {
        "empty_mask": ["é.json, image 0, annotation 12: first", "é.json: second"],
        "missing_image": ["é.json, image 4: other"],
    }


def test_each_split_has_its_own_anomalies(tmp_path):
    for split, feature in (("train", "image/id"), ("eval", "image/width")):
        found = anomalies_pb2.Anomalies()
        found.anomaly_info[feature].short_description = f"odd in {split}"
        (tmp_path / f"Split-{split}").mkdir()
        path = tmp_path / f"Split-{split}" / "SchemaDiff.pb"
        path.write_bytes(found.SerializeToString())
    read = measurements.read_anomalies(str(tmp_path), ["eval", "train"])
    told = {
        split: {key: info.short_description for key, info in a.anomaly_info.items()}
        for split, a in read.items()
    }
    assert told == {
        "train": {"image/id": "odd in train"},
        "eval": {"image/width": "odd in eval"},
    }


def test_examples_are_summed_over_the_data_sets_of_a_split(tmp_path):
    for split, counts in (("train", [3, 4]), ("eval", [])):
        statistics = statistics_pb2.DatasetFeatureStatisticsList()
        for count in counts:
            statistics.datasets.add(num_examples=count)
        (tmp_path / f"Split-{split}").mkdir()
        path = tmp_path / f"Split-{split}" / "FeatureStats.pb"
        path.write_bytes(statistics.SerializeToString())
    read = measurements.read_statistics(str(tmp_path), ["train", "eval"])
    assert measurements.num_examples(read) == {"train": 7, "eval": 0}
    assert set(measurements.read_statistics(str(tmp_path), ["train"])) == {"train"}
