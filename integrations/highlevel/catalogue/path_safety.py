"""Whether a text in a request's path could lead out of the API's base URL, encoded or not.

A client, a proxy and a server each may decode a path once and remove its dot segments (RFC 3986 5.2.4). So the text is
judged in every form that it can take on the way.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from urllib.parse import unquote

_DECODINGS = 4
_ODD = re.compile(r"[\\\x00-\x1f\x7f\ufffd]")  # the last is what unquote makes of bytes that are no UTF-8


def has_dot_segment(text: str) -> bool:
    """Whether `.` or `..` is a segment of the text, once decoded; `..;a` counts, some servers drop what follows."""
    if "." not in text and "%" not in text and text.isascii():
        return False
    return any(
        segment.partition(";")[0] in (".", "..") for form in _forms(text) for segment in re.split(r"[/\\]", form)
    )


def has_hidden_slash(path: str) -> bool:
    """Whether a path has an empty segment, a backslash, a control character, or more slashes when it is decoded."""
    slashes = path.count("/")
    return any("//" in form or _ODD.search(form) or form.count("/") != slashes for form in _forms(path))


def _forms(text: str) -> Iterator[str]:
    """The text and what it becomes when it is decoded; the last is none that can be decoded further, or is given up."""
    for _ in range(_DECODINGS):
        yield text
        decoded = unicodedata.normalize("NFKC", unquote(text))
        if decoded == text:
            return
        text = decoded
    yield "//"  # a path is encoded so often only to hide something
