"""`m2f data check` on the toy dataset, clean and with faults put into it."""

import json
import shutil

import labelme_folder
import pytest
from typer import testing

from pipeline.cli import cli


@pytest.fixture
def check(data, capfd):
    def run(*arguments):
        command = ["data", "check", str(data), *map(str, arguments)]
        done = testing.CliRunner().invoke(cli.app, command)
        assert "Traceback" not in done.stderr
        return done.exit_code, capfd.readouterr().out, done.stderr

    return run


def edit(data, change, split="train"):
    path = data / "annotations" / f"instances_{split}.json"
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


def test_a_clean_set_has_nothing_reported_of_it(check):
    code, out, _ = check("--set", "data.gate.rare_classes.min_instances=1")
    assert code == 0
    assert "no problem found" in out
    assert "train: 16 images" in out and "eval: 4 images" in out
    assert "first example" not in out


def test_every_kind_is_told_with_its_count_and_first_example(data, check):
    def spoil(content):
        content["categories"] += [{"id": 0, "name": "shapes"}]
        content["categories"] += [{"id": 90, "name": "disk"}]
        objects = [each for each in content["annotations"] if not each["iscrowd"]]
        for each in objects[:3]:
            each["area"] += 1000
        for each in objects[3:5]:
            each["bbox"][2] += 100

    edit(data, spoil)
    code, out, _ = check("--json")
    assert code == 0
    found = json.loads(out)
    assert found["passed"] and found["stopped"] == ""
    counts = {kind: row["count"] for kind, row in found["problems"].items()}
    assert counts["duplicate_category_name"] == 1
    assert counts["placeholder_category"] == 1
    assert counts["area_recomputed"] == 3
    assert counts["bbox_outside_image"] == 2
    area = found["problems"]["area_recomputed"]
    assert area["severity"] == "repaired" and len(area["examples"]) == 3

    _, table, _ = check()
    rows = {line.split()[0]: line for line in table.splitlines() if line.strip()}
    assert rows["area_recomputed"].split()[1] == "3"
    first = area["examples"][0]
    assert f"{first['file']}: {first['message']}" in rows["area_recomputed"]
    assert "no problem found" not in table


def test_data_that_stops_ingestion_is_exit_code_2_with_the_problems_found(data, check):
    def spoil(content):
        for image in content["images"][:2]:
            image["width"] += 1
        content["annotations"][-1]["area"] += 1000

    edit(data, spoil)
    code, out, err = check()
    assert code == 2
    assert err.startswith("error: the annotations have 2 faults")
    assert "size_mismatch" in out and "area_recomputed" in out
    assert err.endswith("--html FILE writes the report as a page.\n")
    page = data.parent / "page.html"
    code, out, err = check("--json", "--html", page)
    found = json.loads(out)
    assert code == 2 and err.endswith(f"The report is {page}.\n")
    assert "Ingestion stopped" in page.read_text()
    assert "size_mismatch" in page.read_text() and "2 faults" in page.read_text()
    assert not found["passed"] and "2 faults" in found["stopped"]
    assert found["problems"]["size_mismatch"]["count"] == 2


def test_data_that_the_gate_stops_is_exit_code_2_with_the_key_that_allows_it(
    data, check
):
    sorted((data / "train").glob("*.jpg"))[0].unlink()
    code, out, err = check()
    assert code == 2
    assert "missing_image" in out
    allow = "data.gate.problems.missing_image.limit=1"
    assert f"--set {allow}" in err
    code, _, _ = check("--set", allow)
    assert code == 0


def test_a_warning_names_the_key_that_sets_its_limit(check):
    key = "data.gate.rare_classes"
    code, out, _ = check("--set", f"{key}.min_instances=999")
    (row,) = (line for line in out.splitlines() if "rare classes" in line)
    assert code == 0
    assert "warned" in row and key in row
    _, out, _ = check("--set", f"{key}.limit=99")
    assert "rare classes" not in out


def test_the_report_is_written_as_a_page(check, tmp_path):
    page = tmp_path / "report.html"
    code, out, _ = check("--html", page)
    assert code == 0
    assert out.endswith(f"page: {page}\n")
    assert "16" in page.read_text() and "<!doctype html>" in page.read_text().lower()
    assert [p.name for p in tmp_path.iterdir() if "partial" in p.name] == []


@pytest.mark.parametrize(
    ("arguments", "wanted"),
    [
        (["--html", "nowhere/page.html"], "no folder"),
        (["--html", "."], "is a folder"),
        (["--set", "data.on_problems=strict"], "unknown key"),
        (["--config", "no.yaml"], "no configuration file"),
    ],
)
def test_a_users_mistake_is_one_message_and_exit_code_2(check, arguments, wanted):
    code, _, err = check(*arguments)
    assert code == 2
    assert err.startswith("error: ") and wanted in err


def test_a_folder_without_annotations_is_refused(tmp_path):
    (tmp_path / "empty").mkdir()
    command = ["data", "check", str(tmp_path / "empty")]
    done = testing.CliRunner().invoke(cli.app, command)
    assert done.exit_code == 2
    assert "no annotations found" in done.stderr


def test_a_page_is_written_over_an_earlier_one_when_the_layout_is_not_known(
    data, check, tmp_path
):
    page = tmp_path / "page.html"
    assert check("--html", page)[0] == 0
    (data / "annotations").rename(tmp_path / "elsewhere")
    code, out, err = check("--html", page, "--json")
    assert code == 2 and err.endswith(f"\nThe report is {page}.\n")
    assert "no annotations found" in err
    assert "no annotations found" in json.loads(out)["stopped"]
    assert "Ingestion stopped" in page.read_text()
    assert "no annotations found" in page.read_text()
    (data / "annotations").mkdir()
    for path in (tmp_path / "elsewhere").iterdir():
        (data / "annotations" / path.name).symlink_to(path)
    code, _, err = check("--html", page)
    assert code == 2 and "outside of" in err
    assert "outside of" in page.read_text()
    assert "no annotations found" not in page.read_text()


@pytest.mark.parametrize("on_problem", ["strict", "repair"])
def test_what_is_told_stays_short_whatever_the_names(data, check, on_problem):
    """In `strict` ingestion stops, in `repair` the gate."""

    def spoil(content):
        name = "x" * 100_000 + ".png"
        image = {**content["images"][0], "file_name": name}
        content["images"] += [{**image, "id": n} for n in range(900, 925)]

    edit(data, spoil)
    code, out, err = check("--set", f"data.on_problem={on_problem}")
    assert code == 2
    assert "missing_image" in out and "xxx.png" in out and "xxx.png" in err
    assert len(out) < 10_000 and len(err) < 20_000


def test_names_of_files_neither_reach_the_terminal_raw_nor_stop_the_json(data, check):
    def spoil(content):
        image = {**content["images"][0], "id": 999, "file_name": "\x1b[2J.png"}
        content["images"].append(image)

    edit(data, spoil)
    code, out, err = check()
    assert (code, "\x1b" in out + err) == (2, False)
    assert "\\x1b[2J.png" in out and "\\x1b[2J.png" in err
    shutil.rmtree(data)
    data.mkdir()
    folder = labelme_folder.LabelMeFolder(data / "labelme")
    folder.pair("1")
    folder.pair("2")
    folder.pair("\udcff", imageHeight=3, imagePath="1.png")
    code, out, _ = check("--json")
    (told,) = json.loads(out)["problems"]["labelme_size"]["examples"]
    assert (code, told["file"]) == (0, "labelme/\udcff.json")
