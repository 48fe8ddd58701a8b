"""The version of hlapp that this is, and what CHANGELOG.md says of the versions since another one."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache

from hlapp import project

_RELEASE = re.compile(r"^## (\d+(?:\.\d+)*)(.*)$", re.MULTILINE)
_PART = re.compile(r"^### (.+)$", re.MULTILINE)
_NOTE = re.compile(r"^- (.+(?:\n  .+)*)", re.MULTILINE)
UPGRADE = "Upgrade"  # the part with what an operator has to do or to know


@dataclass(frozen=True, slots=True)
class ReleaseNotes:
    """The notes of one version, by part: Upgrade, Added, Changed, Fixed, Removed, Security."""

    version: str
    parts: dict[str, list[str]]


@cache
def version() -> str:
    """The newest version of the changelog, which is that of the code: `0.1.0`."""
    found = _RELEASE.search(_text())
    return found[1] if found else ""


def since(known: str) -> list[ReleaseNotes]:
    """The notes of later versions than `known`, the newest first; all of them when `known` is empty."""
    text = _text()
    found = list(_RELEASE.finditer(text))
    ends = [*(one.start() for one in found[1:]), len(text)]
    return [
        ReleaseNotes(one[1], _parts(text[one.end() : end]))
        for one, end in zip(found, ends, strict=True)
        if not known or _number(one[1]) > _number(known)
    ]


def _parts(text: str) -> dict[str, list[str]]:
    _, *pieces = _PART.split(text)
    titles, bodies = pieces[::2], pieces[1::2]
    return {
        title.strip(): [" ".join(note.split()) for note in _NOTE.findall(body)]
        for title, body in zip(titles, bodies, strict=True)
    }


def _number(version: str) -> tuple[int, ...]:
    return tuple(map(int, version.split(".")))


def _text() -> str:
    places = (project.PACKAGE.parent / "CHANGELOG.md", project.PACKAGE / "CHANGELOG.md")
    return next((place.read_text(encoding="utf-8") for place in places if place.is_file()), "")
