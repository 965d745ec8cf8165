"""The report page in headless Chromium, with data that tries to break it."""

import browser
import pytest

from foundation import errors

BAD_NAME = "<script>alerted = true; alert(1)</script>"
BAD_FILE = "a\"b'c<img src=x onerror=alert(1)>&amp;.png"
LONG_NAME = "averylongclassnamewithoutanyspace" * 6


@pytest.fixture
def page(coco_folder, ingest):
    """Of a class and a file with hostile names, and a problem that names them."""
    categories = [
        {"id": 5, "name": BAD_NAME},
        {"id": 6, "name": LONG_NAME},
        {"id": 7, "name": "square"},
    ]
    for name in (BAD_FILE, "2.png"):
        coco_folder.image(f"train/{name}", height=60, width=80)
    images = [coco_folder.entry(1, BAD_FILE, 60, 80)]
    images.append(coco_folder.entry(2, "2.png", 60, 80))
    images.append(coco_folder.entry(3, "gone'\".png", 60, 80))
    boxes = [coco_folder.annotation(1, 5, area=900)]  # the mask has 20 px
    boxes += [coco_folder.annotation(2, category_id) for category_id in (6, 7)]
    coco_folder.train_and_eval(images, boxes, categories)
    ingested = ingest(coco_folder.root)
    return (ingested.report_uri / "report.html").read_text()


def test_hostile_names_are_text_and_nothing_is_run_or_fetched(page, tmp_path):
    seen = browser.look(page, tmp_path / "browser")
    assert seen.console == []
    assert seen.requests == []
    assert (seen.scripts, seen.alerted) == (0, False)
    assert BAD_NAME in seen.text
    assert BAD_FILE in seen.text
    assert "area_recomputed" in seen.text
    assert "gone'\".png" in page.replace("&#39;", "'").replace("&#34;", '"')


def test_every_picture_is_shown_and_a_phone_needs_no_scrolling_sideways(page, tmp_path):
    seen = browser.look(page, tmp_path / "browser")
    # One of the wrong area; one for each class, both splits, of square two.
    assert seen.images >= 1 + 3
    assert seen.broken_images == 0
    assert seen.scroll_width <= browser.WIDTH
    assert seen.sideways == []
    assert seen.background == "rgb(246, 247, 249)"  # the style sheet is in force


def test_the_page_of_a_stop_is_as_safe_and_as_narrow(coco_folder, ingest, tmp_path):
    files = {1: BAD_FILE, 3: f"{LONG_NAME}.png"}
    for name in files.values():
        coco_folder.image(f"train/{name}")
    images = [coco_folder.entry(key, name, 17) for key, name in files.items()]
    coco_folder.train_and_eval(images, [coco_folder.annotation(1)])
    with pytest.raises(errors.CocoFormatError):
        ingest(coco_folder.root)
    page = (tmp_path / "run0" / "report" / "report.html").read_text()
    seen = browser.look(page, tmp_path / "browser")
    assert (seen.console, seen.requests, seen.alerted) == ([], [], False)
    assert f"{BAD_FILE}, image 1: the annotations say 12 x 17 px" in seen.text
    assert "Ingestion stopped" in seen.text and LONG_NAME in seen.text
    assert (seen.scroll_width, seen.sideways) == (browser.WIDTH, [])


def test_the_browser_would_notice(tmp_path):
    """What the tests above rely on, seen on a page that does all of it."""
    image = '<img src="http://example.invalid/a.png">'
    bad = f"<body><script>alerted = true</script>{image}<pre>{'wide' * 99}</pre>"
    seen = browser.look(f"<!doctype html>{bad}", tmp_path / "open")
    assert (seen.scripts, seen.alerted, seen.broken_images) == (1, True, 1)
    assert seen.requests == ["http://example.invalid/a.png"]
    assert seen.scroll_width > browser.WIDTH
    assert "HTML." in seen.sideways
    policy = (
        "<meta http-equiv='Content-Security-Policy' content=\"default-src 'none'\">"
    )
    seen = browser.look(f"<!doctype html>{policy}{bad}", tmp_path / "closed")
    assert (seen.alerted, seen.requests) == (False, [])
    assert any("Executing inline script violates" in line for line in seen.console)
    assert any("example.invalid/a.png' violates" in line for line in seen.console)
