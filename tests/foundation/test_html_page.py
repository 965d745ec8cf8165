import base64
import hashlib
import re

import jinja2
import pytest

from foundation import html_page

PACKAGE = "foundation"


@pytest.fixture
def page(tmp_path, monkeypatch):
    """Renders `<h1>{{ heading }}</h1>` in the page of all."""

    def render(**content):
        text = (
            '{% extends "page.html" %}{% block title %}{{ heading }}{% endblock %}'
            "{% block main %}<h1>{{ heading }}</h1>{{ count|number }}{% endblock %}"
        )
        environment = html_page._environment(PACKAGE)
        loader = jinja2.DictLoader({"test.html": text})
        both = jinja2.ChoiceLoader([loader, environment.loader])
        monkeypatch.setattr(environment, "loader", both)
        return html_page.render(PACKAGE, "test.html", content)

    return render


def test_what_came_from_data_is_text(page):
    found = page(heading="<script>alert('1')</script> & \"more\"", count=1)
    assert "<script>" not in found
    written = "&lt;script&gt;alert(&#39;1&#39;)&lt;/script&gt; &amp; &#34;more&#34;"
    assert found.count(written) == 2


def test_the_policy_allows_this_style_sheet_and_nothing_else(page):
    found = page(heading="a", count=1)
    (policy,) = re.findall(r'Content-Security-Policy" content="([^"]*)"', found)
    (style,) = re.findall(r"<style>(.*?)</style>", found, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert policy.replace("&#39;", "'").split("; ") == [
        "default-src 'none'",
        "img-src data:",
        f"style-src 'sha256-{digest}'",
        "base-uri 'none'",
        "form-action 'none'",
    ]
    assert "--ground" in style


def test_numbers_are_written_in_groups_and_a_missing_one_is_an_error(page):
    assert "860,001" in page(heading="a", count=860_001)
    with pytest.raises(jinja2.UndefinedError, match="heading"):
        page(count=1)


def test_a_picture_is_part_of_the_page():
    url = html_page.data_url(b"\xff\xd8jpeg")
    scheme, _, text = url.partition(",")
    assert scheme == "data:image/jpeg;base64"
    assert base64.b64decode(text) == b"\xff\xd8jpeg"
