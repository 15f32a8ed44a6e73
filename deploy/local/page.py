"""The few pages of the house itself: templates that escape everything, one style sheet, a strict policy."""

from pathlib import Path
from typing import Any

from aiohttp import web
from jinja2 import Environment, FileSystemLoader, StrictUndefined

_FOLDER = Path(__file__).with_name("templates")
_TEMPLATES = Environment(loader=FileSystemLoader(_FOLDER), autoescape=True, undefined=StrictUndefined)
_POLICY = "default-src 'none'; style-src 'self'; img-src 'self' data:; frame-src 'self'; base-uri 'none'"


def render(template: str, **values: Any) -> web.Response:
    """Return a template as a page."""
    body = _TEMPLATES.get_template(template).render(**values)
    headers = {"Content-Security-Policy": _POLICY, "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
    return web.Response(text=body, content_type="text/html", headers=headers)


async def stylesheet(_request: web.Request) -> web.Response:
    """Return the one style sheet."""
    return web.Response(text=(_FOLDER / "house.css").read_text(), content_type="text/css")
