"""Reads the file that `BRAND_FILE` names: name, logo, colours and words of the pages that agencies see.

It is TOML; everything in it is optional::

    name = "Northwind"
    logo = "logo.svg"          # beside the file: SVG or PNG, at most 256 KB
    colour = "#0f766e"         # of buttons and links; their text and a readable shade for links are worked out
    colour_dark = "#5eead4"    # the same where the reader prefers dark pages; `colour` unless set

    [words]
    headline = "Your accounts, connected once."
    lead = "Northwind keeps contacts and calendars up to date."
    footer = "Northwind Ltd., Example Street 1"
    help = "Questions? Write to help@northwind.example"

The words are text and no HTML.
"""

from __future__ import annotations

import hashlib
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

LARGEST_LOGO = 256 * 1024  # bytes
WORDS = ("headline", "lead", "footer", "help")
_KEYS = {"name", "logo", "colour", "colour_dark", "words"}
_TYPES = {".svg": "image/svg+xml", ".png": "image/png"}
_COLOUR = re.compile(r"#[0-9a-fA-F]{6}")
_LONGEST = 400


class BrandProblem(ValueError):
    """What is wrong with the file, and what it should be."""


@dataclass(frozen=True, slots=True)
class Brand:
    """What the file says; empty values where it says nothing. `logo` are the bytes of the image."""

    name: str = ""
    colour: str = ""
    colour_dark: str = ""
    logo: bytes = field(default=b"", repr=False)
    logo_type: str = ""
    words: Mapping[str, str] = field(default_factory=dict)

    @property
    def version(self) -> str:
        """Differs as soon as the logo or a colour does: browsers may keep both as long as they like."""
        parts = [self.colour.encode(), self.colour_dark.encode(), self.logo]
        return hashlib.sha256(b"\0".join(parts)).hexdigest()[:12]


def read(path: str) -> Brand:
    """The brand of this file; the plain one without a path. Raises BrandProblem with what to do."""
    if not path:
        return Brand()
    try:
        found = tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise BrandProblem(f"cannot be read: {error.strerror}") from error
    except ValueError as error:  # no UTF-8, no TOML
        raise BrandProblem(f"is no TOML: {error}") from error
    if unknown := set(found) - _KEYS:
        raise BrandProblem(f"has {', '.join(sorted(unknown))}: it may have {', '.join(sorted(_KEYS))}")
    logo, logo_type = _logo(Path(path).parent, _text(found, "logo"))
    colour = _colour(found, "colour")
    return Brand(
        name=_text(found, "name"),
        colour=colour,
        colour_dark=_colour(found, "colour_dark") or colour,
        logo=logo,
        logo_type=logo_type,
        words=_words(found.get("words", {})),
    )


def _text(found: Mapping[str, Any], name: str) -> str:
    value = found.get(name, "")
    if not isinstance(value, str) or len(value) > _LONGEST or not (value.isprintable() or not value):
        raise BrandProblem(f"{name} should be one line of text, at most {_LONGEST} characters")
    return value.strip()


def _colour(found: Mapping[str, Any], name: str) -> str:
    value = _text(found, name)
    if value and not _COLOUR.fullmatch(value):
        raise BrandProblem(f"{name} should be a colour such as #0f766e")
    return value.lower()


def _words(found: Any) -> dict[str, str]:
    if not isinstance(found, dict) or set(found) - set(WORDS):
        raise BrandProblem(f"[words] may have {', '.join(WORDS)}")
    return {name: text for name in found if (text := _text(found, name))}


def _logo(folder: Path, name: str) -> tuple[bytes, str]:
    if not name:
        return b"", ""
    kind = _TYPES.get(Path(name).suffix.lower())
    if kind is None:
        raise BrandProblem(f"logo should be one of {', '.join(_TYPES)}")
    try:
        image = (folder / name).read_bytes()
    except OSError as error:
        raise BrandProblem(f"logo cannot be read: {error.strerror}") from error
    if len(image) > LARGEST_LOGO:
        raise BrandProblem(f"logo should have at most {LARGEST_LOGO // 1024} KB")
    return image, kind
