"""Opens a page in headless Chromium, narrow as a phone, and says what it saw."""

import dataclasses
import html
import html.parser
import json
import pathlib
import re
import shutil
import subprocess

import pytest

WIDTH = 360  # px

# The page lies in a frame of the width of a phone. Everything in it counts as the
# page's own; its policy stays in force, since it is part of it.
_FRAME = """<!doctype html><meta charset="utf-8"><style>body {{ margin: 0 }}</style>
<iframe id="page" width="{width}" height="800" style="border: 0"
 srcdoc="{page}"></iframe><pre id="seen"></pre>
<script>
addEventListener("load", () => {{
  const page = document.getElementById("page").contentDocument;
  const root = page.documentElement;
  const images = [...page.images];
  document.getElementById("seen").textContent = JSON.stringify({{
    scroll_width: Math.max(root.scrollWidth, page.body.scrollWidth),
    sideways: [...page.querySelectorAll("*")]
      .filter((e) => e.clientWidth && e.scrollWidth > e.clientWidth + 1)
      .map((e) => e.tagName + "." + e.className),
    text: page.body.innerText,
    scripts: page.scripts.length,
    broken_images: images.filter((i) => !i.complete || !i.naturalWidth).length,
    images: images.length,
    alerted: page.defaultView.alerted === true,
    background: getComputedStyle(page.body).backgroundColor,
  }});
}});
</script>
"""


@dataclasses.dataclass(frozen=True)
class Seen:
    """What a browser made of a page.

    Attributes:
        scroll_width: px that the content takes in a frame of `WIDTH` px.
        sideways: elements whose content is wider than they are.
        console: messages of the browser's console, blocked content among them.
        requests: addresses that were asked for, the page itself left out.
    """

    scroll_width: int
    sideways: list[str]
    text: str
    scripts: int
    images: int
    broken_images: int
    alerted: bool
    background: str
    console: list[str]
    requests: list[str]


def look(page: str, folder: pathlib.Path) -> Seen:
    """Renders a page; skips the test where there is no Chromium."""
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    if program is None:
        pytest.skip("no chromium is installed: apt-get install chromium")
    folder.mkdir(parents=True, exist_ok=True)
    frame, log = folder / "frame.html", folder / "net.json"
    frame.write_text(_FRAME.format(width=WIDTH, page=html.escape(page)))
    command = [
        program,
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--hide-scrollbars",  # as on a phone
        "--disable-background-networking",
        "--disable-component-update",
        "--no-first-run",
        f"--user-data-dir={folder / 'profile'}",
        "--enable-logging=stderr",
        f"--log-net-log={log}",
        "--window-size=800,900",
        "--virtual-time-budget=5000",
        "--dump-dom",
        frame.as_uri(),
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    (seen,) = re.findall(r'<pre id="seen">(.*?)</pre>', done.stdout, re.DOTALL)
    assert seen, done.stderr
    return Seen(
        **json.loads(html.unescape(seen)),
        console=re.findall(r":CONSOLE[:(][^]]*\] (.*)", done.stderr),
        requests=_requests(log.read_text()),
    )


def _requests(log: str) -> list[str]:
    """Addresses in Chromium's record, those that it asks for by itself left out."""
    found = set(re.findall(r'"url":\s*"((?:https?|ftp|wss?|file)://[^"]*)"', log))
    own = ("google.com", "googleapis.com", "gvt1.com", "gstatic.com")
    return sorted(url for url in found if not any(host in url for host in own))
