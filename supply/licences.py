"""Checks the licences of the installed packages against the allow list in `data/allowed.toml`.

A package says its licence in one of three ways: an SPDX expression (PEP 639), the older field `License`, or
classifiers. Free text and classifiers are turned into SPDX ids by the table below; what it does not know is an error,
so that nobody overlooks it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from importlib import metadata
from typing import Any

from license_expression import ExpressionError, get_spdx_licensing
from packaging.utils import canonicalize_name

from supply.advisories import Problem, error

_SPDX = get_spdx_licensing()
_WORDS = {
    "mit": "MIT",
    "mit license": "MIT",
    "apache 2.0": "Apache-2.0",
    "apache software license": "Apache-2.0",
    "bsd": "BSD-3-Clause",
    "bsd license": "BSD-3-Clause",
    "new bsd": "BSD-3-Clause",
    "3-clause bsd license": "BSD-3-Clause",
    "bsd 2-clause license": "BSD-2-Clause",
    "psfl": "PSF-2.0",
    "python software foundation license": "PSF-2.0",
    "mozilla public license 2.0 (mpl 2.0)": "MPL-2.0",
    "isc license (iscl)": "ISC",
}
_LONGEST = 60  # characters of a field `License` that may be a name; others have the licence's whole text


def check(names: Iterable[str], rules: Mapping[str, Any]) -> list[Problem]:
    """Packages that are installed with a licence that is not allowed. Those that are not installed are left out."""
    allowed, exceptions = set(rules["licences"]), {one["package"]: one for one in rules.get("licence_exception", [])}
    problems, wanted = [], set(names)
    for name, licence in sorted(installed().items()):
        if name not in wanted or (licence and permits(licence, allowed)):
            continue
        excuse = exceptions.get(name)
        if excuse is None or excuse["licence"] != licence or not str(excuse.get("reason", "")).strip():
            said = licence or "no licence that is understood"
            problems.append(error(f"{name} has {said}: allow it with a reason, or use another package"))
    return problems


def installed() -> dict[str, str]:
    """The licences of all installed packages as SPDX expressions, by name; empty where none is understood."""
    return {canonicalize_name(one.metadata["Name"]): expression(one.metadata) for one in metadata.distributions()}


def expression(fields: Any) -> str:
    """The SPDX expression of a package's metadata; empty when it says nothing that is understood."""
    return next((found for text in _sayings(fields) if (found := _understood(text))), "")


def permits(licence: str, allowed: set[str]) -> bool:
    """Whether the expression can be met with allowed licences: all parts of AND, one part of OR."""
    return _permits(_SPDX.parse(licence), allowed)


def _permits(parsed: Any, allowed: set[str]) -> bool:
    if not parsed.args:
        return str(parsed) in allowed
    parts = [_permits(part, allowed) for part in parsed.args]
    return any(parts) if isinstance(parsed, _SPDX.OR) else all(parts)


def _sayings(fields: Any) -> Iterator[str]:
    yield fields.get("License-Expression") or ""
    named = (fields.get("License") or "").strip()
    yield named if len(named) <= _LONGEST else ""
    classifiers = [text for text in fields.get_all("Classifier") or [] if text.startswith("License ::")]
    known = [found for text in classifiers if (found := _understood(text.rpartition(" :: ")[2]))]
    yield " OR ".join(sorted(set(known)))


def _understood(text: str) -> str:
    text = _WORDS.get(text.strip().lower(), text.strip())
    try:
        return str(_SPDX.parse(text, validate=True)) if text else ""
    except ExpressionError:
        return ""
