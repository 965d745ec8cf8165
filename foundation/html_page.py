"""Renders self-contained HTML pages: no script, and nothing is fetched."""

import base64
import functools
import hashlib
from collections.abc import Mapping
from importlib import resources

import jinja2
import markupsafe

_STYLE = resources.files("foundation") / "templates" / "page.css"


def render(package: str, template: str, content: Mapping[str, object]) -> str:
    """Fills in a template, which may extend `page.html`.

    Every text is escaped. A Content-Security-Policy allows the page's own style sheet
    and pictures that are part of the page, and nothing else.

    Args:
        package: holds the template in its folder `templates`.
    """
    style = _STYLE.read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    return (
        _environment(package)
        .get_template(template)
        .render(
            **content,
            style=markupsafe.Markup(style),  # noqa: S704  a file of ours
            policy=(
                f"default-src 'none'; img-src data:; style-src 'sha256-{digest}'; "
                "base-uri 'none'; form-action 'none'"
            ),
        )
    )


def data_url(jpeg: bytes) -> str:
    """A JPEG picture as part of a page."""
    return f"data:image/jpeg;base64,{base64.b64encode(jpeg).decode('ascii')}"


@functools.cache
def _environment(package: str) -> jinja2.Environment:
    loaders = [jinja2.PackageLoader(package), jinja2.PackageLoader("foundation")]
    environment = jinja2.Environment(
        loader=jinja2.ChoiceLoader(loaders),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["number"] = "{:,}".format
    return environment
