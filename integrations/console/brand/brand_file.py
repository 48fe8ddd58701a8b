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

    [apps.66a0419a0dffa47fb5f8b22f]    # where one marketplace app, by its app id, differs; all of the above again
    name = "Northwind Dental"
    words.headline = "Your practices, connected once."

What an app leaves out is that of the file. The words are text and no HTML.
"""

from __future__ import annotations

import hashlib
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

LARGEST_LOGO = 256 * 1024  # bytes
WORDS = ("headline", "lead", "footer", "help")
_OF_AN_APP = {"name", "logo", "colour", "colour_dark", "words"}
_KEYS = {*_OF_AN_APP, "apps"}
_TYPES = {".svg": "image/svg+xml", ".png": "image/png"}
_COLOUR = re.compile(r"#[0-9a-fA-F]{6}")
_APP = re.compile(r"[0-9A-Za-z]{1,64}")
_LONGEST = 400


class BrandProblem(ValueError):
    """What is wrong with the file, and what it should be."""


@dataclass(frozen=True, slots=True)
class Brand:
    """What the file says; empty values where it says nothing. `logo` are the bytes of the image.

    `app` is the id of the marketplace app that has this brand, empty for that of the deployment; `apps` are those of
    the apps that have one of their own.
    """

    name: str = ""
    colour: str = ""
    colour_dark: str = ""
    logo: bytes = field(default=b"", repr=False)
    logo_type: str = ""
    words: Mapping[str, str] = field(default_factory=dict)
    app: str = ""
    apps: Mapping[str, Brand] = field(default_factory=dict)

    def of(self, app_id: str) -> Brand:
        """The brand of the marketplace app with this id (`App.highlevel_id`): its own, else the deployment's."""
        return self.apps.get(app_id, self)

    @property
    def query(self) -> str:
        """What the addresses of logo and colours have behind the question mark."""
        return f"app={self.app}&v={self.version}" if self.app else self.version

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
    _check_names(found, _KEYS)
    of_all = _brand(found, Path(path).parent, Brand())
    return replace(of_all, apps=_of_apps(found.get("apps", {}), Path(path).parent, of_all))


def _of_apps(found: Any, folder: Path, of_all: Brand) -> dict[str, Brand]:
    if not isinstance(found, dict) or not all(
        isinstance(one, dict) and _APP.fullmatch(name) for name, one in found.items()
    ):
        raise BrandProblem(
            "apps should be tables, such as [apps.66a0419a0dffa47fb5f8b22f]: an app id, without a suffix"
        )
    brands = {}
    for name, one in found.items():
        try:
            _check_names(one, _OF_AN_APP)
            brands[name] = replace(_brand(one, folder, of_all), app=name)
        except BrandProblem as problem:
            raise BrandProblem(f"[apps.{name}] {problem}") from problem
    return brands


def _check_names(found: Mapping[str, Any], allowed: set[str]) -> None:
    if unknown := set(found) - allowed:
        raise BrandProblem(f"has {', '.join(sorted(unknown))}: it may have {', '.join(sorted(allowed))}")


def _brand(found: Mapping[str, Any], folder: Path, default: Brand) -> Brand:
    """A brand, of which `default` has what `found` leaves out. An app's colour is that of its dark pages, too."""
    logo, logo_type = _logo(folder, _text(found, "logo"))
    colour = _colour(found, "colour")
    return Brand(
        name=_text(found, "name") or default.name,
        colour=colour or default.colour,
        colour_dark=_colour(found, "colour_dark") or colour or default.colour_dark,
        logo=logo or default.logo,
        logo_type=logo_type or default.logo_type,
        words={**default.words, **_words(found.get("words", {}))},
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
