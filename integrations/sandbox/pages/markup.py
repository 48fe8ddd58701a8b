"""HTML of the sandbox's pages from the templates beside this module, by `string.Template`.

`fill` and `tag` escape every value that is not `Markup`.
"""

from __future__ import annotations

import html
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from string import Template

from aiohttp import web

_PAGES = Path(__file__).parent


class Markup(str):
    """HTML that is safe to put into a page as it is."""

    __slots__ = ()


@cache
def _template(name: str) -> Template:
    return Template((_PAGES / f"{name}.html").read_text())


def fill(name: str, **values: str | Markup) -> Markup:
    """The page part `name` with these values."""
    return Markup(_template(name).substitute({key: escape(value) for key, value in values.items()}))


def escape(value: str | Markup) -> Markup:
    """`value` as HTML; Markup stays as it is."""
    return value if isinstance(value, Markup) else Markup(html.escape(value))


def join(parts: Iterable[Markup]) -> Markup:
    """Parts joined by line breaks."""
    return Markup("\n".join(parts))


def tag(name: str, content: str | Markup = "", **attributes: str) -> Markup:
    """One element; a trailing underscore of an attribute's name (`class_`) is dropped."""
    given = "".join(f' {key.rstrip("_")}="{html.escape(value)}"' for key, value in attributes.items())
    return Markup(f"<{name}{given}>{escape(content)}</{name}>")


def hidden(name: str, value: str) -> Markup:
    """A hidden form field."""
    return Markup(f'<input type="hidden" name="{html.escape(name)}" value="{html.escape(value)}">')


def page(title: str, content: Markup, *, status: int = 200, width: str = "narrow") -> web.Response:
    """A whole page as a response."""
    text = fill("layout", title=title, content=content, width=width)
    return web.Response(text=text, status=status, content_type="text/html")
