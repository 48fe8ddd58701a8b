"""Compares the locked versions with known vulnerabilities, offline: with a snapshot in the OSV format.

The snapshot (`data/advisories.json`) has the advisories of the locked packages as they were on one day. `make
advisories` fetches it again. A vulnerable version is an error, unless `data/allowed.toml` allows it with a reason,
until a date. A snapshot that is old, or lacks packages, is a warning: it says nothing about what it does not have.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from supply.lock import LockedPackage

DATA = Path(__file__).parent / "data"
SNAPSHOT, ALLOWED = DATA / "advisories.json", DATA / "allowed.toml"
OLD_AFTER = 30  # days
_NAMED = 5
Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Problem:
    """One sentence for a developer. Only an error fails the check."""

    is_error: bool
    text: str


def error(text: str) -> Problem:
    """A problem that fails the check."""
    return Problem(is_error=True, text=text)


def warning(text: str) -> Problem:
    """A problem that is only shown."""
    return Problem(is_error=False, text=text)


def check(locked: Sequence[LockedPackage], snapshot: Json, allowed: Iterable[Json], today: date) -> list[Problem]:
    """What is wrong with the locked versions, and with the snapshot and the allow list themselves."""
    exceptions = {str(one["id"]): one for one in allowed}
    hits = list(vulnerable(locked, snapshot["advisories"]))
    problems = [*_freshness(locked, snapshot, today), *_wrong(exceptions)]
    used: set[str] = set()
    for package, advisory in hits:
        ids = [advisory["id"], *advisory.get("aliases", [])]
        excuse = next((exceptions[one] for one in ids if one in exceptions), None)
        used.update(ids)
        said = f"{package.name} {package.version} has {' = '.join(ids)}: {_summary(advisory)}"
        if excuse is None:
            problems.append(error(f"{said}; upgrade it, or allow it in {ALLOWED.name} with a reason and a date"))
        elif date.fromisoformat(str(excuse["until"])) < today:
            problems.append(error(f"{said}; it was allowed until {excuse['until']}"))
    problems += [warning(f"{one} is allowed and no longer needed: remove it") for one in exceptions if one not in used]
    return problems


def vulnerable(locked: Sequence[LockedPackage], advisories: Iterable[Json]) -> Iterator[tuple[LockedPackage, Json]]:
    """The locked packages whose version an advisory names, each with it. Withdrawn advisories do not count."""
    for advisory in advisories:
        for package in locked:
            named = [one for one in advisory.get("affected", []) if _is_about(one, package)]
            if not advisory.get("withdrawn") and any(is_affected(package.version, one) for one in named):
                yield package, advisory


def _is_about(affected: Json, package: LockedPackage) -> bool:
    return canonicalize_name(affected["package"]["name"]) == package.name


def is_affected(version: str, affected: Json) -> bool:
    """Whether the version is in the list or in one of the ranges of an OSV `affected` object."""
    if affected["package"].get("ecosystem") != "PyPI":
        return False
    if version in affected.get("versions", []):
        return True
    ranges = (one for one in affected.get("ranges", []) if one["type"] == "ECOSYSTEM")
    return any(_in_range(Version(version), one["events"]) for one in ranges)


def _in_range(version: Version, events: Iterable[Json]) -> bool:
    """OSV's rule: go through the events in the order of their versions; the last one up to `version` decides."""
    inside = False
    for at, kind in sorted(_events(events)):
        if at > version or (at == version and kind == "last_affected"):
            break
        inside = kind == "introduced"
    return inside


def _events(events: Iterable[Json]) -> Iterator[tuple[Version, str]]:
    for event in events:
        for kind, text in event.items():
            try:
                yield Version("0.dev0" if text == "0" else text), kind
            except InvalidVersion:
                continue  # of an ancient release: none of ours compares with it


def load(path: Path = SNAPSHOT) -> dict[str, Any]:
    """The snapshot: `fetched_on` (a day, or null), `covers` (names of packages) and `advisories`."""
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def allowed(path: Path = ALLOWED) -> dict[str, Any]:
    """The allow lists, of vulnerabilities and licences."""
    return tomllib.loads(path.read_text(encoding="utf-8"))


def _freshness(locked: Sequence[LockedPackage], snapshot: Json, today: date) -> Iterator[Problem]:
    fetched, cure = snapshot["fetched_on"], "run `make advisories` where there is a network"
    if fetched is None:
        yield warning(f"no advisories were fetched yet, so no package was looked up: {cure}")
        return
    if (age := (today - date.fromisoformat(fetched)).days) > OLD_AFTER:
        yield warning(f"the advisories are {age} days old: {cure}")
    if missing := sorted({one.name for one in locked} - set(snapshot["covers"])):
        more = f" and {len(missing) - _NAMED} more" if len(missing) > _NAMED else ""
        yield warning(f"the advisories lack {', '.join(missing[:_NAMED])}{more}: {cure}")


def _wrong(exceptions: Mapping[str, Json]) -> Iterator[Problem]:
    for name, one in exceptions.items():
        if not str(one.get("reason", "")).strip() or "until" not in one:
            yield error(f"{name} is allowed without a reason or a date in {ALLOWED.name}")


def _summary(advisory: Json) -> str:
    return str(advisory.get("summary") or advisory.get("details") or "no summary").split("\n")[0][:160]
