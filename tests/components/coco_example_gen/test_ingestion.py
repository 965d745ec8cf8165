"""What ingestion leaves in a folder that was used before, when it stops."""

import json

import pytest

from components.coco_example_gen import ingest_settings, ingestion
from components.coco_example_gen.read import layouts
from foundation import errors

REPORT = ["problems.json", "problems.jsonl", "report.html", "summary.json"]


class Run:
    """Ingests one folder again and again into the same place."""

    def __init__(self, root, out):
        self.root, self.report = root, out / "report"
        self._out = out

    def __call__(self, run_shards=ingestion.run_here, **settings):
        found = ingest_settings.IngestSettings(**settings)
        ingestion.ingest(
            [layouts.detect(self.root)],
            found,
            str(self._out / "work"),
            {name: str(self._out / name) for name in ("train", "eval")},
            str(self.report),
            run_shards,
        )

    def names(self):
        return sorted(path.name for path in self.report.iterdir())

    def page(self):
        return (self.report / "report.html").read_text()

    def problems(self):
        return json.loads((self.report / "problems.json").read_text())


@pytest.fixture
def run(coco_folder, tmp_path):
    coco_folder.two_splits(area=500)
    return Run(coco_folder.root, tmp_path / "out")


def test_an_interrupted_ingestion_leaves_no_report_of_an_earlier_one(run):
    run()
    assert run.names() == REPORT

    def interrupt(_):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(interrupt)
    assert run.names() == ["problems.jsonl"]


def test_a_stop_after_the_images_is_reported_with_what_was_counted(run):
    run()
    assert run.problems()["stopped"] == ""
    told = "the annotations have one fault"
    with pytest.raises(errors.CocoFormatError, match=told) as raised:
        run(on_problem="strict")
    assert run.problems()["stopped"] == str(raised.value)
    assert run.names() == [name for name in REPORT if name != "summary.json"]
    assert run.problems()["counts"] == {"area_recomputed": 1}
    page = run.page()
    assert "Ingestion stopped" in page and "data.on_problem is strict" in page
    assert "train/1.png, image 1, annotation 2: area 500.0, the mask" in page
    assert "Histograms" in page and "Images by class" not in page


def test_a_stop_while_reading_is_reported_without_counts(run):
    path = run.root / "annotations" / "instances_train.json"
    content = json.loads(path.read_text())
    content["images"][0]["file_name"] = "../<b>.png"
    path.write_text(json.dumps(content))
    with pytest.raises(errors.CocoFormatError, match="climbs out"):
        run()
    assert run.problems()["examples"][0]["kind"] == "unsafe_path"
    page = run.page()
    assert "unsafe_path" in page and "../&lt;b&gt;.png" in page
    assert "Histograms" not in page and "<b>" not in page
    path.write_text("{")
    with pytest.raises(errors.CocoFormatError, match="not JSON"):
        run()
    found = run.problems()
    assert found["stopped"].startswith(f"{path}: not JSON")
    assert (found["counts"], found["examples"]) == ({}, [])
    assert "instances_train.json: not JSON" in run.page()
    assert "summary.json" not in run.names()


def test_the_page_of_a_stop_stays_small(run):
    path = run.root / "annotations" / "instances_train.json"
    content = json.loads(path.read_text())
    name = "/" + "x" * 5_000
    images = [{**content["images"][0], "id": n, "file_name": name} for n in range(50)]
    path.write_text(json.dumps({**content, "images": images}))
    with pytest.raises(errors.CocoFormatError, match="50 faults"):
        run()
    assert len(run.page()) < 60_000


@pytest.mark.parametrize("name", ["/{}.png", "{}.png"])
def test_the_message_of_a_stop_stays_short_whatever_the_names(run, name):
    path = run.root / "annotations" / "instances_train.json"
    content = json.loads(path.read_text())
    image = {**content["images"][0], "file_name": name.format("x" * 100_000)}
    images = [{**image, "id": n} for n in range(1, 26)]
    path.write_text(json.dumps({**content, "images": images}))
    with pytest.raises(errors.CocoFormatError, match="25 faults") as raised:
        run(on_problem="strict")
    assert 20 * 100 < len(str(raised.value)) < 20 * 1000
    assert "xxx.png" in str(raised.value)


def test_folders_of_no_known_layout_are_reported(run, tmp_path):
    run()
    (tmp_path / "empty").mkdir()
    roots = [run.root, tmp_path / "empty"]
    with pytest.raises(errors.CocoFormatError, match="no annotations found") as raised:
        ingestion.detect(roots, ingest_settings.IngestSettings(), str(run.report))
    assert run.names() == [name for name in REPORT if name != "summary.json"]
    assert run.problems()["stopped"] == str(raised.value)
    page = run.page()
    assert "Ingestion stopped" in page and "no annotations found" in page
    assert f"{run.root}, {tmp_path / 'empty'}<br>Layout not known" in page
